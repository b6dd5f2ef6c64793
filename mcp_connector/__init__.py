"""The tool beside the template, for those who keep connectors current. It needs Python and git alone."""
