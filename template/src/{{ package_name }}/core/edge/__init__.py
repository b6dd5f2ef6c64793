"""Limits, logging and protocol handling that apply to every request."""
