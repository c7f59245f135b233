"""Tests of `wormhole_server.config.sources`."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.wormhole_server.files import new_path
from wormhole_server.config.settings import OPTIONS, Settings
from wormhole_server.config.sources import Flags, Loaded, load
from wormhole_server.errors import ConfigurationError


class LoadTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A path for a file."""
        self.path = new_path(self)

    def load(
        self,
        file: str | None = None,
        environment: Mapping[str, str] | None = None,
        **flags: str | list[str],
    ) -> Loaded:
        """Load from file, environment and flags, whose dashes are underscores here."""
        given_flags = {
            name.replace("_", "-"): [value] if isinstance(value, str) else value
            for name, value in flags.items()
        }
        if file is not None:
            self.path.write_text(file, "utf-8")
            given_flags["config"] = [str(self.path)]
        return load(Flags(given_flags), environment or {})

    def problems(
        self,
        file: str | None = None,
        environment: Mapping[str, str] | None = None,
        **flags: str | list[str],
    ) -> list[str]:
        """The problems of these sources."""
        with self.assertRaises(ConfigurationError) as caught:
            self.load(file, environment, **flags)
        return list(caught.exception.problems)

    def test_defaults(self) -> None:
        """Without any source every setting has its default, and "default" is its origin."""
        loaded = load(Flags(), {})
        self.assertEqual(loaded.settings, Settings())
        self.assertEqual(loaded.origins, {option.name: "default" for option in OPTIONS})

    def test_precedence(self) -> None:
        """A flag overrides the environment, which overrides the file, which overrides the default."""
        file = 'motd = "file"'
        environment = {"WORMHOLE_SERVER_MOTD": "environment"}
        loaded = self.load(file)
        self.assertEqual((loaded.settings.motd, loaded.origins["motd"]), ("file", str(self.path)))
        loaded = self.load(file, environment)
        self.assertEqual(loaded.settings.motd, "environment")
        self.assertEqual(loaded.origins["motd"], "WORMHOLE_SERVER_MOTD")
        loaded = self.load(file, environment, motd="flag")
        self.assertEqual((loaded.settings.motd, loaded.origins["motd"]), ("flag", "--motd"))

    def test_last_flag(self) -> None:
        """The last value of a repeated flag is used if it takes only one."""
        self.assertEqual(self.load(motd=["one", "other"]).settings.motd, "other")

    def test_many(self) -> None:
        """Repeated flags, and lists in the file or a variable, give several values."""
        several = ("tcp:1", "tcp:2")
        self.assertEqual(self.load(metrics=["tcp:1", "tcp:2"]).settings.metrics, several)
        self.assertEqual(self.load('metrics = ["tcp:1", "tcp:2"]').settings.metrics, several)
        environment = {"WORMHOLE_SERVER_METRICS": '["tcp:1", "tcp:2"]'}
        self.assertEqual(self.load(environment=environment).settings.metrics, several)

    def test_many_but_one(self) -> None:
        """One value needs no list, and replaces the list of a source with lower precedence."""
        loaded = self.load('metrics = ["tcp:1", "tcp:2"]', {"WORMHOLE_SERVER_METRICS": "tcp:3"})
        self.assertEqual(loaded.settings.metrics, ("tcp:3",))

    def test_none(self) -> None:
        """The word none gives no value, or an empty tuple."""
        loaded = self.load('metrics = "none"', usage_retention="none", transit="none")
        self.assertEqual(loaded.settings.metrics, ())
        self.assertEqual(loaded.settings.transit, ())
        self.assertIsNone(loaded.settings.usage_retention)

    def test_empty_variable(self) -> None:
        """A variable that is empty is as good as none."""
        loaded = self.load('motd = "file"', {"WORMHOLE_SERVER_MOTD": ""})
        self.assertEqual(loaded.settings.motd, "file")

    def test_empty_flag(self) -> None:
        """A text that is empty takes away what a weaker source sets."""
        self.assertIsNone(self.load('motd = "file"', motd="").settings.motd)

    def test_file_by_variable(self) -> None:
        """The file can be named by a variable; a flag names another."""
        other = new_path(self)
        other.write_text('motd = "other"', "utf-8")
        environment = {"WORMHOLE_SERVER_CONFIG": str(other)}
        self.assertEqual(self.load(environment=environment).settings.motd, "other")
        self.assertEqual(self.load('motd = "flag"', environment).settings.motd, "flag")

    def test_all_at_once(self) -> None:
        """All problems of all sources are reported, each on a line that names the source."""
        problems = self.problems(
            'motd = 5\nmailbox_expiry = "1d"\nsend-buffer-limit = "1KiB"',
            {"WORMHOLE_SERVER_DATABSE": "x", "WORMHOLE_SERVER_LOG_LEVEL": "lound"},
            nameplate_expiry="soon",
            metrics=["tcp:1", "none"],
        )
        for problem, words in zip(
            problems,
            (
                ["WORMHOLE_SERVER_DATABSE (environment)", "did you mean WORMHOLE_SERVER_DATABASE?"],
                ["mailbox_expiry in ", f'{self.path}" line 2: ', "did you mean mailbox-expiry?"],
                ["motd in ", f'{self.path}" line 1: ', "5 is not a string"],
                ["WORMHOLE_SERVER_LOG_LEVEL (environment)", "is not a log level"],
                ["--nameplate-expiry: ", '"soon" is not a duration'],
                ["--metrics: ", '"none" cannot be combined with other values'],
                [
                    "send-buffer-limit: ",
                    "smaller than message-size-limit",
                    f'(the values are those of send-buffer-limit in "{self.path}" line 3)',
                ],
            ),
            strict=True,
        ):
            for word in words:
                self.assertIn(word, problem)

    def test_conflict_of_invalid_value(self) -> None:
        """An invalid value is not reported again as part of a conflict."""
        problems = self.problems(send_buffer_limit="much", message_size_limit="8MiB")
        self.assertEqual(len(problems), 1)

    def test_conflict_of_sources(self) -> None:
        """A conflict names all places that the values come from."""
        (problem,) = self.problems(
            '\n"send-buffer-limit" = "1MiB"', {"WORMHOLE_SERVER_MESSAGE_SIZE_LIMIT": "2MiB"}
        )
        self.assertTrue(
            problem.endswith(
                "(the values are those of WORMHOLE_SERVER_MESSAGE_SIZE_LIMIT (environment) "
                f'and send-buffer-limit in "{self.path}" line 2)'
            ),
            problem,
        )

    def test_unknown_flags(self) -> None:
        """The problems of the command line are reported first."""
        with self.assertRaises(ConfigurationError) as caught:
            load(Flags({}, ("--x: there is no such option",)), {"WORMHOLE_SERVER_LOG_FD": "x"})
        self.assertEqual(len(caught.exception.problems), 2)
        self.assertEqual(caught.exception.problems[0], "--x: there is no such option")

    def test_kubernetes(self) -> None:
        """The variables that Kubernetes sets for a service of this name are ignored."""
        environment = {
            "WORMHOLE_SERVER_SERVICE_HOST": "10.0.0.1",
            "WORMHOLE_SERVER_SERVICE_PORT": "4000",
            "WORMHOLE_SERVER_SERVICE_PORT_HTTP": "4000",
            "WORMHOLE_SERVER_PORT": "tcp://10.0.0.1:4000",
            "WORMHOLE_SERVER_PORT_4000_TCP": "tcp://10.0.0.1:4000",
            "WORMHOLE_SERVER_PORT_4000_TCP_ADDR": "10.0.0.1",
        }
        self.assertEqual(self.load(environment=environment).settings, Settings())

    def test_others_variables(self) -> None:
        """Variables of other programs are ignored."""
        self.assertEqual(self.load(environment={"PATH": "/bin"}).settings, Settings())

    def test_no_guess(self) -> None:
        """A name that resembles no option is answered with where to find the list."""
        (problem,) = self.problems("zzzz = 1")
        self.assertIn("wormhole-server run --help lists them", problem)

    def test_odd_key(self) -> None:
        """A key with a line break in it does not break the line."""
        (problem,) = self.problems('"a\\nb" = 1')
        self.assertEqual(len(problem.splitlines()), 1)
        self.assertIn(f'"{self.path}": ', problem)

    def test_table(self) -> None:
        """The file has no sections: a table is an unknown option."""
        for file in (
            "\n[wormhole-server]\nmotd = 'x'",
            "\n[[ 'wormhole-server' ]]",
            "\nwormhole-server.motd = 'x'",
        ):
            (problem,) = self.problems(file)
            self.assertTrue(
                problem.startswith(f'wormhole-server in "{self.path}" line 2: '), problem
            )

    def test_config_in_file(self) -> None:
        """A file cannot name another one."""
        (problem,) = self.problems('config = "other.toml"')
        self.assertIn("remove the line", problem)

    def test_missing_file(self) -> None:
        """A file that does not exist is reported with the source that names it."""
        (problem,) = self.problems(environment={"WORMHOLE_SERVER_CONFIG": "/nowhere/x.toml"})
        self.assertEqual(
            problem,
            'WORMHOLE_SERVER_CONFIG (environment): the file "/nowhere/x.toml" cannot be read '
            "(No such file or directory); correct the path or the file's permissions",
        )

    def test_broken_file(self) -> None:
        """A file that is not TOML or not UTF-8 is reported with the line."""
        (problem,) = self.problems("motd = ,")
        self.assertIn("--config: ", problem)
        self.assertIn("line 1", problem)
        self.path.write_bytes(b"motd = '\xff'")
        with self.assertRaisesRegex(ConfigurationError, "is not valid TOML"):
            load(Flags({"config": [str(self.path)]}), {})

    def test_broken_list(self) -> None:
        """A value that begins like a list and is not one is answered with how to write a list."""
        (problem,) = self.problems(environment={"WORMHOLE_SERVER_TRANSIT": '["tcp:1"'})
        self.assertIn('write ["ONE", "OTHER"]', problem)

    @given(
        st.dictionaries(
            st.sampled_from([option.variable for option in OPTIONS if option.name != "config"]),
            st.text(),
        )
    )
    def test_anything(self, environment: Mapping[str, str]) -> None:
        """Any environment gives settings, or problems of one line each."""
        try:
            load(Flags(), environment)
        except ConfigurationError as error:
            for problem in error.problems:
                self.assertEqual(len(problem.splitlines()), 1)
