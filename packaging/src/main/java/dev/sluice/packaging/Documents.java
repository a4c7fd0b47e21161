package dev.sluice.packaging;

import dev.sluice.cli.Main;
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
  private Documents() {}

  /**
   * Writes them below a directory as they will be below {@code /usr/share}.
   *
   * @param arguments the directory; the version; the date, ISO 8601, which may have a time behind;
   *     then files to compress into {@code doc/sluice}, each with the name to have there
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
    Files.writeString(completion, AutoComplete.bash("sluice", sluice));
    for (int i = 3; i + 1 < arguments.length; i += 2) {
      compress(
          Files.readString(Path.of(arguments[i])),
          share.resolve("doc/sluice").resolve(arguments[i + 1]));
    }
  }

  private static void compress(String text, Path file) throws IOException {
    Files.createDirectories(file.getParent());
    try (OutputStream out = new SmallestGzip(Files.newOutputStream(file))) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    }
  }

  /** {@code gzip -9n}: Java writes no name and no time of its own accord. */
  private static final class SmallestGzip extends GZIPOutputStream {
    SmallestGzip(OutputStream out) throws IOException {
      super(out);
      def.setLevel(Deflater.BEST_COMPRESSION);
    }
  }
}
