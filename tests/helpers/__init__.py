"""What several tests use, and programs that hold the docs to the code. Not tests themselves."""
