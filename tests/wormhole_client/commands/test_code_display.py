"""Tests of the display of a code for other devices."""

from twisted.trial.unittest import SynchronousTestCase

from wormhole_client.commands.code_display import qr_lines, transfer_uri, web_link


class LinkTests(SynchronousTestCase):
    def test_web(self) -> None:
        """The web client is where the rendezvous is, behind a path prefix too; the code is a fragment."""
        for url, link in (
            ("ws://x:4000/v1", "http://x:4000/#4-a-b"),
            ("wss://x/v1", "https://x/#4-a-b"),
            ("wss://x/secret/v1", "https://x/secret/#4-a-b"),
        ):
            with self.subTest(url=url):
                self.assertEqual(web_link(url, "4-a-b"), link)

    def test_uri(self) -> None:
        """The URI names the code and the rendezvous server."""
        self.assertEqual(
            transfer_uri("ws://x:4000/v1", "4-a-ö"),
            "wormhole-transfer:4-a-%C3%B6?rendezvous=ws%3A%2F%2Fx%3A4000%2Fv1",
        )


class QrTests(SynchronousTestCase):
    def test_drawn(self) -> None:
        """The code is square: two characters wide for each line, with a light border around."""
        lines = list(qr_lines("http://x/#4-a-b"))
        width = len(lines[0])
        self.assertEqual({len(line) for line in lines}, {width})
        self.assertEqual(len(lines), (width + 1) // 2)
        self.assertEqual(lines[0], "█" * width)
        self.assertTrue(all(line.startswith("██") for line in lines[:-1]))
        # The finder pattern of RFC-like fame: dark, light, dark, in the upper left corner.
        self.assertEqual(lines[1][2:9], " ▄▄▄▄▄ ")
