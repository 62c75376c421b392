"""`python -m spoold` is the daemon."""

from spoold.cli.spoold import main

if __name__ == "__main__":
    main()
