"""The series that runs record, a file each or a few that belong together: what they are called, where they
apply, and which pure function of `workbench.measures` or `workbench.theory` gives their values."""
