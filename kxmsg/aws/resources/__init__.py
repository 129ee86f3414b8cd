"""Resources on AWS, a module for each service: how each kind is read, made, changed and removed."""
