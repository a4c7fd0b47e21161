package dev.sluice.api;

import dev.sluice.net.MalformedValueException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/**
 * Why a request was refused, as a problem document of RFC 9457.
 *
 * @param kind which problem it is; decides type, title and HTTP status
 * @param detail one sentence about this occurrence
 * @param input the text that could not be read, where that was the problem
 * @param column where in it the mistake begins, counted in characters from 0
 */
public record Problem(Kind kind, String detail, Optional<String> input, OptionalInt column) {
  /** The media type of a problem document. */
  public static final String MEDIA_TYPE = "application/problem+json";

  private static final String TYPE_PREFIX = "urn:sluice:problem:";

  /** The problems there are. */
  public enum Kind {
    MALFORMED_REQUEST("malformed-request", 400, "The request cannot be read"),
    MALFORMED_VALUE("malformed-value", 400, "A value cannot be read"),
    INVALID("invalid", 400, "The request cannot be carried out"),
    NOT_PERMITTED("not-permitted", 403, "Not permitted"),
    NOT_FOUND("not-found", 404, "Not found"),
    METHOD_NOT_ALLOWED("method-not-allowed", 405, "Method not allowed"),
    CONFLICT("conflict", 409, "Taken or in use"),
    OTHER_STREAM("other-stream", 409, "The stream of events is another one"),
    TOO_LARGE("too-large", 413, "The request is too large"),
    UNSUPPORTED_MEDIA_TYPE("unsupported-media-type", 415, "The body is not JSON"),
    HEADERS_TOO_LARGE("headers-too-large", 431, "The request header is too large"),
    INTERNAL("internal", 500, "The agent failed"),
    UNAVAILABLE("unavailable", 503, "Not possible at the moment"),
    TOO_MANY_CONNECTIONS("too-many-connections", 503, "Too many connections"),
    UNSUPPORTED_VERSION("unsupported-http-version", 505, "Unsupported version of HTTP");

    private final String text;
    private final int status;
    private final String title;

    Kind(String text, int status, String title) {
      this.text = text;
      this.status = status;
      this.title = title;
    }

    /** The URI in the document's {@code type}. */
    public String type() {
      return TYPE_PREFIX + text;
    }

    /** The HTTP status. */
    public int status() {
      return status;
    }

    /** The same words for every occurrence. */
    public String title() {
      return title;
    }
  }

  /** A problem that is no matter of one text. */
  public static Problem of(Kind kind, String detail) {
    return new Problem(kind, detail, Optional.empty(), OptionalInt.empty());
  }

  /** The problem of a text that does not follow its grammar. */
  public static Problem of(MalformedValueException e) {
    return new Problem(
        Kind.MALFORMED_VALUE, e.problem(), Optional.of(e.input()), OptionalInt.of(e.column()));
  }

  /** The document. */
  public String toJson() {
    return ApiJson.text(
        json -> {
          json.writeStartObject();
          json.writeStringProperty("type", kind.type());
          json.writeStringProperty("title", kind.title());
          json.writeNumberProperty("status", kind.status());
          writeMembers(json);
          json.writeEndObject();
        });
  }

  private void writeMembers(JsonGenerator json) {
    json.writeStringProperty("detail", detail);
    input.ifPresent(text -> json.writeStringProperty("input", text));
    column.ifPresent(at -> json.writeNumberProperty("column", at));
  }

  /**
   * Reads a document.
   *
   * @param status the HTTP status it came with, which decides where the type is not one of ours
   */
  static Problem read(byte[] document, int status) {
    String type = "";
    String detail = "";
    String input = null;
    OptionalInt column = OptionalInt.empty();
    try (JsonParser json = ApiJson.parser(document)) {
      if (json.nextToken() == JsonToken.START_OBJECT) {
        for (String name = json.nextName(); name != null; name = json.nextName()) {
          json.nextToken();
          switch (name) {
            case "type" -> type = json.getString();
            case "detail" -> detail = json.getString();
            case "input" -> input = json.getString();
            case "column" -> column = OptionalInt.of(json.getIntValue());
            default -> json.skipChildren();
          }
        }
      }
    } catch (JacksonException e) {
      detail = new String(document, StandardCharsets.UTF_8).strip();
    }
    if (detail.isEmpty()) {
      detail = "the agent answered with HTTP status " + status;
    }
    return new Problem(kind(type, status), detail, Optional.ofNullable(input), column);
  }

  private static Kind kind(@Nullable String type, int status) {
    for (Kind kind : Kind.values()) {
      if (kind.type().equals(type)) {
        return kind;
      }
    }
    for (Kind kind : Kind.values()) {
      if (kind.status() == status) {
        return kind;
      }
    }
    return status < 500 ? Kind.INVALID : Kind.INTERNAL;
  }
}
