package dev.sluice.network;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Egress;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.net.IpAddress;
import dev.sluice.network.names.ResponderStatistics;
import dev.sluice.publish.LabAgent;
import dev.sluice.testing.Background;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Ran;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

/**
 * Names as sandboxes ask for them: with real queries to port 53 of the gateway, made byte by byte
 * by a program that knows nothing of ours.
 */
class NetworkNamesIT extends NetworkCase {
  /** One query, the answers as lines {@code NAME TYPE DATA}, or the response code. */
  private static final String ASK =
      """
      import sys
      from scapy.all import DNS, DNSQR, dnsqtypes
      import socket
      server, kind, name, how = sys.argv[1:5]
      codes = {0: 'NOERROR', 2: 'SERVFAIL', 3: 'NXDOMAIN', 5: 'REFUSED'}
      query = bytes(DNS(id=4711, rd=1, qd=DNSQR(qname=name, qtype=kind)))
      family = socket.AF_INET6 if ':' in server else socket.AF_INET
      s = socket.socket(family, socket.SOCK_STREAM if how == 'tcp' else socket.SOCK_DGRAM)
      s.settimeout(3)
      try:
          s.connect((server, 53))
          if how == 'tcp':
              s.sendall(len(query).to_bytes(2, 'big') + query)
              length = int.from_bytes(s.recv(2), 'big')
              answer = b''
              while len(answer) < length: answer += s.recv(length - len(answer))
          else:
              s.send(query)
              answer = s.recv(4096)
      except OSError as e:
          print('NONE', type(e).__name__); sys.exit()
      message = DNS(answer)
      if message.id != 4711: print('ID', message.id)
      rrs = [message.an[i] for i in range(message.ancount)] if message.ancount else []
      if not rrs: print(codes.get(message.rcode, message.rcode))
      for rr in rrs:
          t = dnsqtypes[rr.type]
          if t == 'SRV': d = '%d %s' % (rr.port, rr.target.decode())
          elif t == 'TXT': d = ' '.join(x.decode() for x in rr.rdata)
          else: d = rr.rdata.decode() if isinstance(rr.rdata, bytes) else rr.rdata
          print(t, d)
      """;

  private List<String> ask(String sandbox, String server, String type, String name, String how) {
    return namespace(sandbox)
        .exec("/usr/bin/python3", "-c", ASK, server, type, name, how)
        .orFail()
        .stdout()
        .lines()
        .toList();
  }

  private List<String> ask(String sandbox, String type, String name) {
    return ask(sandbox, gateway("blue"), type, name, "udp");
  }

  private String gateway(String network) {
    return agent
        .networking()
        .topology()
        .network(network)
        .orElseThrow()
        .settings()
        .gateways()
        .stream()
        .map(IpAddress::toString)
        .findFirst()
        .orElseThrow();
  }

  /** Asks for "db" with a source address of choice. */
  private void claim(String sandbox, String source, String server) {
    String packet =
        "IP(src='%s',dst='%s')/UDP(sport=4711,dport=53)/DNS(rd=1,qd=DNSQR(qname='db'))"
            .formatted(source, server);
    namespace(sandbox).traffic().inject("eth0", lab.host().mac("sl-green"), 1, packet);
  }

  private static String reverse(String address) {
    String[] parts = address.split("\\.", 4);
    return parts[3] + "." + parts[2] + "." + parts[1] + "." + parts[0] + ".in-addr.arpa";
  }

  /** Fails if a neighbour is not found by a name it has, or a stranger is. */
  @Test
  void neighboursFindEachOther() {
    create(
        new NetworkRequest(
            "blue",
            Optional.empty(),
            List.of(),
            true,
            OptionalInt.empty(),
            new Egress.Masquerade(),
            false,
            false,
            Owner.CLI));
    network("green");
    join(sandboxRequest("db", List.of("blue"), List.of("5432/tcp"), List.of()));
    join(sandboxRequest("web", List.of("blue"), List.of(), List.of("db:store"), "8080:80"));
    join("stranger", List.of("green"));
    agent.inside(
        () ->
            agent
                .networking()
                .connect(
                    new SandboxName("third"),
                    new Attachment(
                        "blue", List.of(), List.of(new SandboxName("Cache")), Optional.empty()),
                    Optional.of(namespace("third").path().toString()),
                    Owner.CLI));
    List<String> db = addresses("db", "blue");
    assertThat(ask("web", "A", "db")).containsExactly("A " + db.get(0));
    assertThat(ask("web", "AAAA", "DB.blue")).containsExactly("AAAA " + db.get(1));
    assertThat(ask("web", "A", "store")).as("its link").containsExactly("A " + db.get(0));
    assertThat(ask("db", "A", "store")).as("the link of another").containsExactly("NXDOMAIN");
    assertThat(ask("db", "A", "cache")).containsExactly("A " + address("third", "blue"));
    assertThat(ask("db", "PTR", reverse(db.get(0)))).containsExactly("PTR db.blue.");
    assertThat(ask("web", "SRV", "_5432._tcp.db")).containsExactly("SRV 5432 db.");
    assertThat(ask("db", "SRV", "_80._tcp.web")).as("published").containsExactly("SRV 80 web.");
    assertThat(ask("web", "A", "stranger")).containsExactly("NXDOMAIN");
    assertThat(ask("web", gateway("blue"), "A", "db", "tcp")).containsExactly("A " + db.get(0));
    // Only who is on a network is answered: the gateway is reached, nobody speaks.
    lab.client().ip("route add 10.201.0.0/16 via " + Lab.HOST);
    Ran outside =
        lab.client()
            .exec("/usr/bin/python3", "-c", ASK, gateway("blue"), "A", "db", "udp")
            .orFail();
    assertThat(outside.stdout()).startsWith("NONE");
    // Nor who claims the address of somebody on another network, which the host believes.
    ResponderStatistics before = agent.names().statistics();
    claim("stranger", address("web", "blue"), gateway("green"));
    await("the question is dropped", () -> agent.names().statistics().dropped() > before.dropped());
    assertThat(agent.names().statistics().answered()).isEqualTo(before.answered());
    // It moves, and so does its name.
    connect("db", "green");
    assertThat(ask("stranger", gateway("green"), "A", "db", "udp"))
        .containsExactly("A " + address("db", "green"));
    leave("db");
    assertThat(ask("web", "A", "db")).containsExactly("NXDOMAIN");
  }

  /** Fails if a sandbox cannot learn by which address and port the outside reaches it. */
  @Test
  void aSandboxLearnsAsWhatItIsPublished() {
    lab.host().ip("route add default via " + Lab.CLIENT);
    network("blue");
    join("web", List.of("blue"), "8080:80", Lab.HOST_2 + ":5353:53/udp");
    assertThat(ask("web", "TXT", "self.sluice"))
        .containsExactlyInAnyOrder(
            "TXT 80/tcp=" + Lab.HOST + ":8080", "TXT 53/udp=" + Lab.HOST_2 + ":5353");
    List<String> service = ask("web", "SRV", "_80._tcp.self.sluice");
    assertThat(service).hasSize(1).first().asString().startsWith("SRV 8080 ");
    String host = service.get(0).substring("SRV 8080 ".length());
    List<String> address = ask("web", "A", host);
    assertThat(address).hasSize(1);
    // The proof: what was learnt inside is what the outside connects to.
    serve("web", "80", "");
    assertThat(lab.client().traffic().tcp(address.get(0).substring("A ".length()), 8080).server())
        .isEqualTo("web:80");
  }

  /** Fails if port 53 is not free for a sandbox, or questions end with the agent that answered. */
  @Test
  void port53StaysFreeAndAnAgentThatComesBackAnswers() {
    network("blue");
    join("web", List.of("blue"), "53:53/udp", "53:53");
    join("db", List.of("blue"));
    serve("web", "53", "53");
    assertThat(lab.client().traffic().udp(Lab.HOST, 53).server()).isEqualTo("web:53");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 53).server()).isEqualTo("web:53");
    assertThat(ask("db", "A", "web")).containsExactly("A " + address("web", "blue"));
    String before = nft.ruleset();
    restart();
    assertThat(ask("db", "A", "web")).containsExactly("A " + address("web", "blue"));
    assertThat(nft.ruleset()).contains(names(before));
    leave("db");
    leave("web");
    agent.inside(() -> agent.networking().remove("blue"));
    assertThat(nft.ruleset()).doesNotContain("names");
  }

  /** What leads to the answers: the same port before and after. */
  private static String names(String ruleset) {
    return ruleset
        .lines()
        .filter(line -> line.contains("comment \"names\""))
        .findFirst()
        .map(line -> line.substring(line.lastIndexOf(": ")).replaceAll("[ }]+$", ""))
        .orElseThrow();
  }

  /** Fails if other names are not asked for, or are from an internal network. */
  @Test
  void otherNamesAreForwarded() {
    network("blue");
    create(request("dark", true, false, new Egress.Masquerade()));
    join("web", List.of("blue"));
    join("hidden", List.of("dark"));
    String upstream =
        """
        import socket
        from scapy.all import DNS, DNSRR
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(('127.0.0.1', %d))
        print('ready', flush=True)
        while True:
            data, peer = s.recvfrom(4096)
            q = DNS(data)
            print('asked', q.qd.qname.decode(), flush=True)
            s.sendto(bytes(DNS(id=q.id, qr=1, ra=1, qd=q.qd,
                an=DNSRR(rrname=q.qd.qname, type='A', ttl=60, rdata='203.0.113.80'))), peer)
        """
            .formatted(LabAgent.RESOLVER_PORT);
    try (Background resolver = lab.host().start("/usr/bin/python3", "-c", upstream)) {
      resolver.awaitLine("ready", Duration.ofSeconds(20));
      assertThat(ask("web", "A", "www.example.org")).containsExactly("A 203.0.113.80");
      assertThat(ask("hidden", gateway("dark"), "A", "www.example.org", "udp"))
          .containsExactly("NXDOMAIN");
      assertThat(resolver.lines()).filteredOn(line -> line.startsWith("asked")).hasSize(1);
    }
  }
}
