import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Announcements } from "../../receive/announcements.ts";
import type { Probe } from "../../receive/messages.ts";

function probe(id: string): Probe {
    return { type: "probe", id, port: new MessageChannel().port1 };
}

test("what was announced is given out once", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    const [announcements, announced] = [new Announcements(), probe("a")];
    announcements.add(announced);
    assert.equal(await announcements.take("a"), announced);
    const again = announcements.take("a");
    mock.timers.tick(5_000);
    assert.equal(await again, null);
    mock.timers.reset();
});

test("a request that overtakes its announcement waits for it", async () => {
    const [announcements, announced] = [new Announcements(), probe("a")];
    const taking = announcements.take("a");
    announcements.add(probe("b"));
    announcements.add(announced);
    assert.equal(await taking, announced);
});
