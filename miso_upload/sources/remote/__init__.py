"""Reads objects in stores and on web servers in ranges."""
