"""The command line of the workbench: one short module per command."""
