"""`python -m miso_upload` is `miso-upload`."""

from miso_upload.cli import main

if __name__ == "__main__":
    main()
