package dev.sluice.sysctl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.net.PortRange;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Which ports are reserved. A file is overwritten from its second byte where the kernel would
 * unite; LocalPortsIT does what needs the kernel's list.
 */
class ReservedLocalPortsTest {
  private Path root = Path.of("/nowhere");

  @BeforeEach
  void parameters(@TempDir Path directory) throws IOException {
    root = directory;
    Files.createDirectories(root.resolve("net/ipv4"));
    write("net/ipv4/ip_local_port_range", "32768\t60999");
    write("net/ipv4/ip_local_reserved_ports", "");
  }

  private void write(String name, String value) throws IOException {
    Files.writeString(root.resolve(name), value + "\n");
  }

  private String list() throws IOException {
    return Files.readString(root.resolve("net/ipv4/ip_local_reserved_ports")).trim();
  }

  private static List<PortRange> ports(String... texts) {
    return Stream.of(texts).map(PortRange::parse).toList();
  }

  /** Fails if the kernel's form is read or written differently. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ''                | ''
          40000             | 40000
          40000-40010,41000 | 40000-40010,41000
          1,2,3,5           | 1-3,5
          0,7               | 7
          65534-65535       | 65534-65535
          """)
  void theListIsReadAndWritten(String read, String written) {
    BitSet ports = ReservedLocalPorts.parse(read + "\n");
    assertThat(ReservedLocalPorts.format(ports)).isEqualTo(written);
  }

  /** Fails if any set of ports does not survive being written. */
  @Test
  void everySetOfPortsSurvives() {
    for (long seed = 0; seed < 200; seed++) {
      Random random = new Random(seed);
      BitSet ports = new BitSet();
      for (int i = random.nextInt(50); i > 0; i--) {
        int first = 1 + random.nextInt(65_535);
        ports.set(first, Math.min(65_536, first + 1 + random.nextInt(20)));
      }
      assertThat(ReservedLocalPorts.parse(ReservedLocalPorts.format(ports))).isEqualTo(ports);
    }
  }

  /**
   * Fails if a port that the kernel never chooses is reserved, or a range not cut to its choice.
   */
  @Test
  void onlyPortsTheKernelMayChooseAreReserved() throws IOException {
    ReservedLocalPorts reserved = new ReservedLocalPorts(new Sysctl(root));
    reserved.add(ports("8080", "32767", "61000-61010"));
    assertThat(reserved.size()).isZero();
    assertThat(list()).isEmpty();
    reserved.add(ports("32760-32770", "60998-61005"));
    assertThat(reserved.size()).isEqualTo(5);
    assertThat(list()).isEqualTo("32768-32770,60998-60999");
  }

  /** Fails if a kernel without the range of choice breaks it, or another default is assumed. */
  @Test
  void aKernelThatDoesNotTellItsChoiceHasTheUsualOne() throws IOException {
    Files.delete(root.resolve("net/ipv4/ip_local_port_range"));
    ReservedLocalPorts reserved = new ReservedLocalPorts(new Sysctl(root));
    reserved.add(ports("32767-32768", "60999-61000"));
    assertThat(list()).isEqualTo("32768,60999");
  }

  /** Fails if a port is given back while another mapping has it, or never. */
  @Test
  void aPortIsGivenBackByItsLastUser() throws IOException {
    ReservedLocalPorts reserved = new ReservedLocalPorts(new Sysctl(root));
    reserved.add(ports("40000", "40000"));
    reserved.remove(ports("40000", "8080"));
    assertThat(reserved.size()).isEqualTo(1);
    assertThat(list()).isEqualTo("40000");
    reserved.remove(ports("40000"));
    assertThat(reserved.size()).isZero();
  }

  /**
   * Fails if what somebody else has reserved counts as ours, or what an earlier agent had does not.
   */
  @Test
  void othersAreLeftAloneAndWhatIsPublishedIsAdopted() throws IOException {
    write("net/ipv4/ip_local_reserved_ports", "40000-40009");
    ReservedLocalPorts reserved = new ReservedLocalPorts(new Sysctl(root));
    reserved.add(ports("40003"));
    assertThat(reserved.size()).as("somebody else's").isZero();
    reserved.adopt(ports("40005"));
    assertThat(reserved.size()).as("the agent's before this one").isEqualTo(1);
    write("net/ipv4/ip_local_reserved_ports", "40000-40009");
    reserved.remove(ports("40003", "40005"));
    assertThat(list()).startsWith("40000-40004,40006-40009");
  }

  /** Fails if ports count as reserved although the kernel has refused them. */
  @Test
  void whatTheKernelRefusesIsNotReserved() throws IOException {
    ReservedLocalPorts reserved = new ReservedLocalPorts(new Sysctl(root));
    Files.delete(root.resolve("net/ipv4/ip_local_reserved_ports"));
    assertThatThrownBy(() -> reserved.add(ports("40000-40003")))
        .hasMessageStartingWith(
            "cannot add 40000-40003 to the kernel parameter net/ipv4/ip_local_reserved_ports: ");
    assertThat(reserved.size()).isZero();
    write("net/ipv4/ip_local_reserved_ports", "");
    reserved.add(ports("40000"));
    assertThat(list()).isEqualTo("40000");
  }
}
