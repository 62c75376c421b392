"""Measures a Python file: lines, functions, classes, deepest nesting.

A file that Python can't read is that item's failure, and no other's: the exception says why.
"""

import ast
import tokenize
import warnings

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
BLOCKS = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If, ast.For, ast.AsyncFor, ast.While),
    *(ast.With, ast.AsyncWith, ast.Try, ast.Match),
)


def measure(item: dict[str, str]) -> dict[str, int]:
    """What stands in the file at item["path"]."""
    with tokenize.open(item["path"]) as file:  # minds the encoding that the file declares
        text = file.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old files may write what Python now warns of
        tree = ast.parse(text, item["path"])
    nodes = list(ast.walk(tree))
    return {
        "lines": text.count("\n"),
        "functions": sum(isinstance(node, FUNCTIONS) for node in nodes),
        "classes": sum(isinstance(node, ast.ClassDef) for node in nodes),
        "nesting": deepest(tree),
    }


def deepest(tree: ast.AST) -> int:
    """How many blocks stand inside one another at most; an `elif` is no deeper than its `if`."""
    most = 0
    left = [(tree, 0)]
    while left:
        node, depth = left.pop()
        most = max(most, depth)
        for child in ast.iter_child_nodes(node):
            is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and child.col_offset == node.col_offset
            left.append((child, depth + (isinstance(child, BLOCKS) and not is_elif)))
    return most
