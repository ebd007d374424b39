"""Tests of app.issuing: forms and rules, without HTTP."""
