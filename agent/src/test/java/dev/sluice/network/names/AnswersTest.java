package dev.sluice.network.names;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.io.IOException;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.xbill.DNS.DClass;
import org.xbill.DNS.Flags;
import org.xbill.DNS.Message;
import org.xbill.DNS.Name;
import org.xbill.DNS.Rcode;
import org.xbill.DNS.Record;
import org.xbill.DNS.Section;
import org.xbill.DNS.Type;

/** Which question has which answer; the octets are judged by others in NamesIT. */
class AnswersTest {

  private static Optional<Message> ask(View view, String name, String type) {
    try {
      Record question = Record.newRecord(Name.fromString(name), Type.value(type), DClass.IN);
      Query query = ((Query.Understood) Query.read(Message.newQuery(question).toWire())).query();
      Optional<Message> answer = Answers.to(query, view);
      // What the asker reads is what was sent.
      return answer.isPresent()
          ? Optional.of(new Message(query.encode(answer.get(), true)))
          : Optional.empty();
    } catch (IOException e) {
      throw new IllegalArgumentException(e);
    }
  }

  private static String told(View view, String name, String type) {
    return ask(view, name, type)
        .map(
            answer -> {
              StringBuilder text = new StringBuilder(Rcode.string(answer.getRcode()));
              answer
                  .getSection(Section.ANSWER)
                  .forEach(record -> text.append(' ').append(rdata(record)));
              List<Record> additional = answer.getSection(Section.ADDITIONAL);
              additional.forEach(
                  record ->
                      text.append(" +").append(record.getName()).append(' ').append(rdata(record)));
              return text.toString();
            })
        .orElse("FORWARDED");
  }

  private static String rdata(Record record) {
    return Type.string(record.getType()) + " " + record.rdataToString();
  }

  /** Fails if a row of the table is answered in another way, for instance a name leaks. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          web.                     | A    | NOERROR A 10.88.0.2
          WEB.Blue.                | A    | NOERROR A 10.88.0.2
          web.                     | AAAA | NOERROR AAAA fd00:88:0:0:0:0:0:2
          db.                      | AAAA | NOERROR
          web.                     | MX   | NOERROR
          web.                     | ANY  | NOERROR A 10.88.0.2
          nobody.                  | A    | NXDOMAIN
          nobody.                  | NS   | NXDOMAIN
          www.example.org.         | A    | FORWARDED
          nobody.blue.             | A    | FORWARDED
          we\\.b.                  | A    | NXDOMAIN
          web\\.blue.              | A    | NXDOMAIN
          .                        | NS   | FORWARDED
          web.                     | AXFR | REFUSED
          www.example.org.         | IXFR | REFUSED
          2.0.88.10.in-addr.arpa.  | PTR  | NOERROR PTR web.blue.
          2.0.88.10.IN-ADDR.arpa.  | ANY  | NOERROR PTR web.blue.
          2.0.88.10.in-addr.arpa.  | A    | NOERROR
          9.0.88.10.in-addr.arpa.  | PTR  | FORWARDED
          02.0.88.10.in-addr.arpa. | PTR  | FORWARDED
          0.88.10.in-addr.arpa.    | PTR  | FORWARDED
          x.0.88.10.in-addr.arpa.  | PTR  | FORWARDED
          2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.8.0.0.0.0.d.f.ip6.arpa. | PTR | NOERROR PTR web.blue.
          3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.8.0.0.0.0.d.f.ip6.arpa. | PTR | FORWARDED
          _80._tcp.web.            | SRV  | NOERROR SRV 0 0 80 web. +web. A 10.88.0.2 +web. AAAA fd00:88:0:0:0:0:0:2
          _80._TCP.Web.            | SRV  | NOERROR SRV 0 0 80 Web. +Web. A 10.88.0.2 +Web. AAAA fd00:88:0:0:0:0:0:2
          _4010._udp.web.blue.     | SRV  | NOERROR SRV 0 0 4010 web.blue. +web.blue. A 10.88.0.2 +web.blue. AAAA fd00:88:0:0:0:0:0:2
          _80._udp.web.            | SRV  | NXDOMAIN
          _81._tcp.web.            | SRV  | NXDOMAIN
          _http._tcp.web.          | SRV  | NXDOMAIN
          _80._tcp.web.            | A    | NOERROR
          _tcp.web.                | SRV  | NOERROR
          _x._80._tcp.web.         | SRV  | NXDOMAIN
          _80._tcp.example.org.    | SRV  | FORWARDED
          _tcp.                    | SRV  | NXDOMAIN
          sluice.                  | A    | NOERROR
          other.sluice.            | A    | NXDOMAIN
          self.sluice.             | A    | NOERROR
          _tcp.self.sluice.        | SRV  | NOERROR
          _81._tcp.self.sluice.    | SRV  | NXDOMAIN
          _53._tcp.self.sluice.    | SRV  | NXDOMAIN
          host.sluice.             | A    | NOERROR A 203.0.113.5
          host.sluice.             | AAAA | NOERROR AAAA 2001:db8:0:0:0:0:0:5
          203-0-113-5.host.sluice. | A    | NOERROR A 203.0.113.5
          203-0-113-6.host.sluice. | A    | NXDOMAIN
          2001-db8-0-0-0-0-0-5.host.sluice. | AAAA | NOERROR AAAA 2001:db8:0:0:0:0:0:5
          """)
  void aQuestionHasItsAnswer(String name, String type, String answer) {
    assertThat(told(Neighbours.ALL, name, type)).as("%s %s", name, type).isEqualTo(answer);
  }

  /** Fails if a container is not told where it is published, one text for each port. */
  @Test
  void aContainerIsToldWhereItIsPublished() {
    assertThat(told(Neighbours.ALL, "self.sluice.", "TXT"))
        .isEqualTo(
            "NOERROR TXT \"80/tcp=203.0.113.5:8080\" TXT \"80/tcp=[2001:db8::5]:8080\""
                + " TXT \"53/udp=203.0.113.5:5353\""
                + " TXT \"9000-9009/tcp=203.0.113.5:19000-19009\"");
  }

  /** Fails if addresses that do not all have the port share its record. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          _80._tcp   | SRV 0 0 8080 host.sluice. +host.sluice. A 203.0.113.5 +host.sluice. AAAA 2001:db8:0:0:0:0:0:5
          _shop._tcp | SRV 0 0 8080 host.sluice. +host.sluice. A 203.0.113.5 +host.sluice. AAAA 2001:db8:0:0:0:0:0:5
          _53._udp   | SRV 0 0 5353 203-0-113-5.host.sluice. +203-0-113-5.host.sluice. A 203.0.113.5
          _9003._tcp | SRV 0 0 19003 203-0-113-5.host.sluice. +203-0-113-5.host.sluice. A 203.0.113.5
          """)
  void aPortOfTheContainerLeadsToThePortOfTheHost(String port, String answer) {
    assertThat(told(Neighbours.ALL, port + ".self.sluice.", "SRV")).isEqualTo("NOERROR " + answer);
  }

  /** Fails if 0.0.0.0, which nobody can connect to, is given out as an address. */
  @Test
  void anUnspecifiedAddressIsNoAddress() {
    View view =
        new Neighbours(
            true,
            List.of(
                new PublishedAs(
                    PortRange.of(80),
                    Protocol.TCP,
                    Ip6Address.ANY,
                    PortRange.of(8080),
                    Optional.empty())));
    assertThat(told(view, "host.sluice.", "AAAA")).isEqualTo("NOERROR");
    assertThat(told(view, "_80._tcp.self.sluice.", "SRV"))
        .isEqualTo("NOERROR SRV 0 0 8080 host.sluice.");
    assertThat(told(view, "self.sluice.", "TXT")).isEqualTo("NOERROR TXT \"80/tcp=[::]:8080\"");
  }

  /** Fails if a container of an internal network reaches the host's resolvers by any name. */
  @ParameterizedTest
  @CsvSource({
    "www.example.org., A, NXDOMAIN",
    "9.0.88.10.in-addr.arpa., PTR, NXDOMAIN",
    "_80._tcp.example.org., SRV, NXDOMAIN",
    "., NS, REFUSED",
    "web., A, NOERROR A 10.88.0.2"
  })
  void anInternalNetworkAsksNobodyElse(String name, String type, String answer) {
    View view = new Neighbours(false, List.of());
    assertThat(told(view, name, type)).isEqualTo(answer);
    assertThat(ask(view, name, type).orElseThrow().getHeader().getFlag(Flags.RA)).isFalse();
  }

  /** Fails if a container called sluice loses its name to the zone, or gains the zone's. */
  @Test
  void aContainerMayBeCalledAsTheZone() {
    IpAddress address = IpAddress.parse("10.88.0.7");
    View view =
        new View() {
          @Override
          public List<IpAddress> addressesOf(String name) {
            return name.equals("sluice") || name.equals("self.sluice")
                ? List.of(address)
                : List.of();
          }

          @Override
          public Optional<String> nameOf(IpAddress any) {
            return Optional.empty();
          }

          @Override
          public List<ServicePorts> portsOf(String name) {
            return List.of();
          }

          @Override
          public List<PublishedAs> self() {
            return List.of();
          }

          @Override
          public boolean forwards() {
            return true;
          }
        };
    assertThat(told(view, "sluice.", "A")).isEqualTo("NOERROR A 10.88.0.7");
    assertThat(told(view, "self.sluice.", "A")).isEqualTo("NOERROR");
  }

  /**
   * The C library's question for {@code web.blue} and the answer written out by hand after RFC 1035
   * section 4 and RFC 6891. Fails if an octet is another: a flag, a count, the time to live, or the
   * size in the OPT record.
   */
  @Test
  void theAnswerToTheCLibraryOctetByOctet() {
    Query query = ((Query.Understood) Query.read(QueryTest.GLIBC_A.clone())).query();
    byte[] answer = query.encode(Answers.to(query, Neighbours.ALL).orElseThrow(), false);
    assertThat(HexFormat.of().formatHex(answer))
        .isEqualTo(
            "addc" // id
                + "8580" // QR AA RD RA, no error
                + "0001000100000001" // one question, answer, and additional record
                + "03776562"
                + "04626c7565"
                + "00"
                + "0001"
                + "0001" // web.blue IN A
                + "c00c"
                + "0001"
                + "0001"
                + "00000001"
                + "0004"
                + "0a580002" // for 1 s
                + "00"
                + "0029"
                + "04d0"
                + "00000000"
                + "0000"); // OPT, 1232 octets
  }
}
