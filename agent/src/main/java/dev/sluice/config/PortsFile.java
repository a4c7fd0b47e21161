package dev.sluice.config;

import dev.sluice.model.Declaration;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** The file of permanent mappings. */
public final class PortsFile {
  /** Where it is unless somebody says otherwise. */
  public static final Path DEFAULT = Path.of("/etc/sluice/ports.yaml");

  /** The largest file. */
  public static final int MAX_BYTES = 8 * 1024 * 1024;

  private PortsFile() {}

  /**
   * Reads the file with the rights of the process, for whoever starts it.
   *
   * @throws IOException if it cannot be read
   * @throws PortsFileException if it says something else than what to publish
   */
  public static Declaration read(Path file) throws IOException, PortsFileException {
    try (InputStream in = Files.newInputStream(file)) {
      return read(file.toString(), in);
    }
  }

  /**
   * Reads the file for the agent, which does what it says: only if nobody but root and the agent's
   * own user can have written it, or put it there.
   *
   * @throws java.nio.file.NoSuchFileException if there is none
   * @throws IOException if it cannot be read
   * @throws PortsFileException if it is not to be trusted, or says something else than what to
   *     publish
   */
  public static Declaration readTrusted(Path file) throws IOException, PortsFileException {
    try (InputStream in = TrustedFile.open(file)) {
      return read(file.toString(), in);
    }
  }

  /**
   * Reads the text to its end.
   *
   * @param name what to call it in messages
   * @throws IOException if the stream fails
   * @throws PortsFileException if it says something else than what to publish
   */
  public static Declaration read(String name, InputStream in)
      throws IOException, PortsFileException {
    byte[] bytes = in.readNBytes(MAX_BYTES + 1);
    if (bytes.length > MAX_BYTES) {
      throw new PortsFileException(name, "it is larger than " + MAX_BYTES + " bytes");
    }
    String text;
    try {
      text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new PortsFileException(name, "it is not UTF-8: save it in that encoding");
    }
    return new PortsFileReader(name).read(text);
  }
}
