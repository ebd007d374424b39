"""Carries an exchange to its upstream and back."""
