package dev.sluice.bench.events;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** A configuration of ulogd in which it writes each event as a line to its standard output. */
final class Ulogd {
  private static final Path LIBRARIES = Path.of("/usr/lib");
  private static final List<String> PLUGINS =
      List.of("inpflow_NFCT", "filter_IP2STR", "filter_PRINTFLOW", "output_LOGEMU");

  private Ulogd() {}

  /** Writes it into the directory, where its log goes as well. */
  static Path configure(Path directory) throws IOException {
    Path plugins = plugins();
    StringBuilder text = new StringBuilder();
    text.append("[global]\nlogfile=\"").append(directory.resolve("ulogd.log")).append("\"\n");
    for (String plugin : PLUGINS) {
      text.append("plugin=\"%s/ulogd_%s.so\"\n".formatted(plugins, plugin));
    }
    text.append("stack=ct1:NFCT,ip2str1:IP2STR,print1:PRINTFLOW,emu1:LOGEMU\n");
    text.append("[ct1]\nhash_enable=0\n");
    text.append("[emu1]\nfile=\"/dev/stdout\"\nsync=0\n");
    return Files.writeString(directory.resolve("ulogd.conf"), text);
  }

  /** Debian has a directory per architecture. */
  private static Path plugins() throws IOException {
    try (Stream<Path> directories = Files.list(LIBRARIES)) {
      return Stream.concat(Stream.of(LIBRARIES), directories)
          .map(directory -> directory.resolve("ulogd"))
          .filter(Files::isDirectory)
          .findFirst()
          .orElseThrow(() -> new IOException("ulogd has no plugins under " + LIBRARIES));
    }
  }
}
