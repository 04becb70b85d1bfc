"""`python -m thor`; see `thor.app.program`."""

from thor.app.program import main

if __name__ == "__main__":
    main()
