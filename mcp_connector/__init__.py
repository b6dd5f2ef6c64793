"""The tool beside the template, for those who keep connectors current and connected.

It needs Python and git alone; for `doctor`, two small packages that are installed with it.
"""
