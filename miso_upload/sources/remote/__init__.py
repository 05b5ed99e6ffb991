"""Objects in stores and on web servers, read in ranges."""
