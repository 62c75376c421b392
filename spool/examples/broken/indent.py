"""Deliberately broken: line 6 is indented by three spaces."""


def double(number):
    result = number * 2
   return result
