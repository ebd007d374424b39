"""What stands behind the measured gateways; the CPU spent here is not counted."""
