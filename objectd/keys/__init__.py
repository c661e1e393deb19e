"""The providers of `IKeyManager`."""
