package dev.sluice.cli;

import java.io.StringWriter;
import java.util.List;
import java.util.function.Consumer;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.PrettyPrinter;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.util.DefaultIndenter;
import tools.jackson.core.util.DefaultPrettyPrinter;

/** JSON for people: two spaces a level, a member a line. */
final class PrettyJson {
  private static final JsonFactory JSON = new JsonFactory();

  private static final ObjectWriteContext PRETTY =
      new ObjectWriteContext.Base() {
        @Override
        public PrettyPrinter getPrettyPrinter() {
          DefaultIndenter newLine = new DefaultIndenter("  ", "\n");
          return new DefaultPrettyPrinter().withArrayIndenter(newLine).withObjectIndenter(newLine);
        }

        @Override
        public boolean hasPrettyPrinter() {
          return true;
        }
      };

  private PrettyJson() {}

  /** What {@code writer} writes. */
  static String text(Consumer<JsonGenerator> writer) {
    StringWriter text = new StringWriter();
    try (JsonGenerator out = JSON.createGenerator(PRETTY, text)) {
      writer.accept(out);
    }
    return text.toString();
  }

  /** One array of what the {@code mappings} of all documents hold. */
  static String joinedMappings(List<String> documents) {
    return text(out -> writeJoined(out, documents));
  }

  /** One array of the documents. */
  static String joined(List<String> documents) {
    return text(
        out -> {
          out.writeStartArray();
          for (String document : documents) {
            try (JsonParser in = JSON.createParser(ObjectReadContext.empty(), document)) {
              in.nextToken();
              out.copyCurrentStructure(in);
            }
          }
          out.writeEndArray();
        });
  }

  private static void writeJoined(JsonGenerator out, List<String> documents) {
    out.writeStartArray();
    for (String document : documents) {
      try (JsonParser in = JSON.createParser(ObjectReadContext.empty(), document)) {
        in.nextToken();
        for (String name = in.nextName(); name != null; name = in.nextName()) {
          in.nextToken();
          if (name.equals("mappings")) {
            while (in.nextToken() == JsonToken.START_OBJECT) {
              out.copyCurrentStructure(in);
            }
          } else {
            in.skipChildren();
          }
        }
      }
    }
    out.writeEndArray();
  }
}
