"""What all tests share: assertions of the contract suites that explain themselves."""

import pytest

pytest.register_assert_rewrite("tests.contracts")
