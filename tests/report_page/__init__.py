"""A package, so that its browser ends with its last test: fixtures of scope `package` need one."""
