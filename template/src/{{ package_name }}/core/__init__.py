"""Code that the template maintains: updates replace it, so put yours elsewhere."""
