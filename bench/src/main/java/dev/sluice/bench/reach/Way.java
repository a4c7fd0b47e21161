package dev.sluice.bench.reach;

/**
 * A way from a client to its server, as bench/native/visit.c takes it.
 *
 * @param label the head of its column
 * @param mappings how many are published; 0 if nothing is translated
 * @param topology where it leads through
 * @param address what the client asks for
 * @param port what the client asks for
 * @param serverPort where the server listens
 * @param pid the process whose time is taken, too: that carries the bytes, or follows; or 0
 */
record Way(
    String label,
    int mappings,
    Topology topology,
    String address,
    int port,
    int serverPort,
    long pid) {

  String argument() {
    return String.join(
        ",",
        topology.client().path(),
        topology.host().path(),
        topology.server().path(),
        address,
        "" + port,
        "" + serverPort,
        "" + pid);
  }
}
