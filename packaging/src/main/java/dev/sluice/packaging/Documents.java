package dev.sluice.packaging;

import dev.sluice.cli.Main;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.Deflater;
import java.util.zip.GZIPOutputStream;
import picocli.AutoComplete;
import picocli.CommandLine;

/**
 * Writes manual pages, the script for completion, and the logs of changes, compressed as Debian
 * wants them, without a date, so that the same source makes the same package.
 */
public final class Documents {
  /** Of the header, RFC 1952: how hard the compressor tried. Java leaves it empty. */
  private static final int EXTRA_FLAGS_OFFSET = 8;

  private static final byte SLOWEST = 2;

  private Documents() {}

  /**
   * Writes them below a directory as they will be below {@code /usr/share}.
   *
   * @param arguments the directory; the version; the date, ISO 8601, which may have a time behind;
   *     then files to compress into {@code doc/sluice}, each with the name to have there; Debian's
   *     version stands for {@code [[version]]} in them
   */
  public static void main(String[] arguments) throws IOException {
    Path share = Path.of(arguments[0]);
    String version = arguments[1];
    String date = arguments[2].substring(0, "2026-11-21".length());
    CommandLine sluice = Main.described();
    for (CommandLine command : ManualPage.withAllBelow(sluice)) {
      ManualPage page = new ManualPage(command);
      String file = "man/man%d/%s.%1$d.gz".formatted(page.section(), page.name());
      compress(page.text(version, date), share.resolve(file));
    }
    Path completion = share.resolve("bash-completion/completions/sluice");
    Files.createDirectories(completion.getParent());
    // It is read, not run.
    Files.writeString(
        completion, AutoComplete.bash("sluice", sluice).replaceFirst("^#![^\n]*\n", ""));
    for (int i = 3; i + 1 < arguments.length; i += 2) {
      compress(
          Files.readString(Path.of(arguments[i])).replace("[[version]]", version.replace('-', '~')),
          share.resolve("doc/sluice").resolve(arguments[i + 1]));
    }
  }

  private static void compress(String text, Path file) throws IOException {
    Files.createDirectories(file.getParent());
    ByteArrayOutputStream compressed = new ByteArrayOutputStream();
    try (OutputStream out = new SmallestGzip(compressed)) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    }
    byte[] bytes = compressed.toByteArray();
    bytes[EXTRA_FLAGS_OFFSET] = SLOWEST;
    Files.write(file, bytes);
  }

  /** {@code gzip -9n}: Java writes no name and no time of its own accord. */
  private static final class SmallestGzip extends GZIPOutputStream {
    SmallestGzip(OutputStream out) throws IOException {
      super(out);
      def.setLevel(Deflater.BEST_COMPRESSION);
    }
  }
}
