package dev.sluice.network.names;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The host's resolvers, as resolv.conf(5) writes them. */
class ResolvConfTest {

  private List<String> read(ResolvConf conf) {
    return conf.get().stream()
        .map(resolver -> resolver.getAddress().getHostAddress() + " " + resolver.getPort())
        .toList();
  }

  /** Fails if a comment, a name or another keyword is a resolver, or IPv6 or a zone is none. */
  @Test
  void linesThatNameAnAddressAreResolvers(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("resolv.conf");
    Files.writeString(
        file,
        """
        # nameserver 192.0.2.9
        ;nameserver 192.0.2.8
        search example.org
        nameserver 192.0.2.1
        nameserver\t2001:db8::1\t# the second
        nameserver resolver.example.org
        nameserver 192.0.2
        nameserver
         nameserver 192.0.2.7
        nameserver fe80::1%lo
        nameserver fe80::1%nosuchdevice
        options edns0
        """);
    assertThat(read(new ResolvConf(file)))
        .containsExactly("192.0.2.1 53", "2001:db8:0:0:0:0:0:1 53", "fe80:0:0:0:0:0:0:1%1 53");
  }

  /** Fails if a change is not noticed: in place, by another file, or that the file is gone. */
  @Test
  void theFileIsReadAgainWhenItHasChanged(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("resolv.conf");
    ResolvConf conf = new ResolvConf(file);
    assertThat(read(conf)).isEmpty();
    Files.writeString(file, "nameserver 192.0.2.1\n");
    assertThat(read(conf)).containsExactly("192.0.2.1 53");

    FileTime before = Files.getLastModifiedTime(file);
    Path other = directory.resolve("other");
    Files.writeString(other, "nameserver 192.0.2.2\n");
    Files.setLastModifiedTime(other, before);
    Files.move(other, file, StandardCopyOption.REPLACE_EXISTING);
    assertThat(read(conf)).as("same size and time, another file").containsExactly("192.0.2.2 53");

    Files.writeString(file, "nameserver 192.0.2.3\n");
    Files.setLastModifiedTime(file, FileTime.fromMillis(before.toMillis() + 1));
    assertThat(read(conf)).as("changed in place").containsExactly("192.0.2.3 53");

    Files.delete(file);
    assertThat(read(conf)).isEmpty();
  }
}
