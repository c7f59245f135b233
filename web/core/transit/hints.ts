/** Transit hints: where this end can be reached, which is on the relay only. */

/**
 * A relay with its addresses, as the protocol writes it. The Python client knows `direct-tcp-v1` only; a
 * browser, and whoever is behind a firewall, needs `websocket-v1`.
 */
export interface Hint {
    readonly type: "relay-v1";
    readonly hints: readonly (
        | { readonly type: "direct-tcp-v1"; readonly hostname: string; readonly port: number; readonly priority: number }
        | { readonly type: "websocket-v1"; readonly url: string; readonly priority: number }
    )[];
}

/** The TCP address of a relay, as others reach it. */
export interface TcpAddress {
    readonly hostname: string;
    readonly port: number;
}

/** @param publicRelay null if the relay has no TCP address that others can reach. */
export function relayHints(url: string, publicRelay: TcpAddress | null): readonly Hint[] {
    const tcp = publicRelay === null
        ? []
        : [{ type: "direct-tcp-v1" as const, hostname: publicRelay.hostname, port: publicRelay.port, priority: 0 }];
    return [{ type: "relay-v1", hints: [...tcp, { type: "websocket-v1", url, priority: 0 }] }];
}
