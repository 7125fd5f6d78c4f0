"""Ready-made design spaces, one YAML file each."""
