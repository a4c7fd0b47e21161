package dev.sluice.api;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.StreamWriteFeature;
import tools.jackson.core.exc.JacksonIOException;
import tools.jackson.core.json.JsonFactory;

/**
 * JSON as the API reads and writes it. Values are few and flat, so they are written token by token:
 * no reflection, a command starts a tenth of a second sooner, and a mistake in a request is named
 * by line and column.
 */
public final class ApiJson {
  /** How deep arrays and objects may be nested. */
  static final int MAX_DEPTH = 32;

  private static final JsonFactory JSON =
      JsonFactory.builder()
          .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(MAX_DEPTH).build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .disable(StreamWriteFeature.AUTO_CLOSE_TARGET)
          .rootValueSeparator("\n")
          .build();

  private ApiJson() {}

  /** Reads a document, with the limits of the API. */
  public static JsonParser parser(byte[] document) {
    return JSON.createParser(ObjectReadContext.empty(), document);
  }

  /** What {@code writer} writes, and the end of a line. */
  public static byte[] bytes(Consumer<JsonGenerator> writer) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(512);
    try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), bytes)) {
      writer.accept(json);
    }
    bytes.write('\n');
    return bytes.toByteArray();
  }

  static String text(Consumer<JsonGenerator> writer) {
    return new String(bytes(writer), StandardCharsets.UTF_8).stripTrailing();
  }

  /**
   * Writes values to a stream as they come, one a line.
   *
   * @throws IOException if the stream fails
   */
  static void stream(OutputStream out, Consumer<JsonGenerator> writer) throws IOException {
    try {
      JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), out);
      writer.accept(json);
      json.writeRaw('\n');
      json.close();
    } catch (JacksonIOException e) {
      throw e.getCause();
    }
  }
}
