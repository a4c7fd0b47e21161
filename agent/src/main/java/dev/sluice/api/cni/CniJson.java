package dev.sluice.api.cni;

import dev.sluice.api.cni.CniException.Code;
import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.core.json.JsonFactory;

/**
 * A JSON object that somebody else's program wrote: what is not known in it is left alone, what is
 * known must be of its type, and {@code null} is the same as nothing.
 */
final class CniJson {
  /** How deep arrays and objects may be nested. */
  private static final int MAX_DEPTH = 32;

  private static final JsonFactory JSON =
      JsonFactory.builder()
          .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(MAX_DEPTH).build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .build();

  private final Map<String, @Nullable Object> members;
  private final String place;

  /**
   * @param members strings, whole numbers, other numbers as {@link Double}, booleans, lists and
   *     maps of these
   * @param place where it is in the document, {@code runtimeConfig.portMappings[0].}
   */
  private CniJson(Map<String, @Nullable Object> members, String place) {
    this.members = members;
    this.place = place;
  }

  /**
   * Reads a document.
   *
   * @param what what it is, for the message
   * @throws CniException if it is no JSON, or not one object
   */
  static CniJson parse(String what, byte[] document) {
    try (JsonParser json = JSON.createParser(ObjectReadContext.empty(), document)) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw CniException.of(Code.CANNOT_DECODE, what + " must be a JSON object");
      }
      CniJson object = new CniJson(object(json), "");
      if (json.nextToken() != null) {
        throw CniException.of(Code.CANNOT_DECODE, "something follows the JSON object of " + what);
      }
      return object;
    } catch (JacksonException e) {
      throw CniException.of(
          Code.CANNOT_DECODE, what + " is not valid JSON: " + firstSentence(e) + at(e));
    }
  }

  /** Jackson explains at length; the beginning says it. */
  private static String firstSentence(JacksonException e) {
    String message = String.valueOf(e.getOriginalMessage());
    int end = message.indexOf(" (start marker at ");
    return (end < 0 ? message : message.substring(0, end)).lines().findFirst().orElse("");
  }

  private static String at(JacksonException e) {
    TokenStreamLocation location = e.getLocation();
    return location == null || location.getLineNr() < 0
        ? ""
        : " at line " + location.getLineNr() + ", column " + location.getColumnNr();
  }

  private static Map<String, @Nullable Object> object(JsonParser json) {
    Map<String, @Nullable Object> members = new LinkedHashMap<>();
    for (String name = json.nextName(); name != null; name = json.nextName()) {
      json.nextToken();
      members.put(name, value(json));
    }
    return members;
  }

  private static @Nullable Object value(JsonParser json) {
    return switch (json.currentToken()) {
      case START_OBJECT -> object(json);
      case START_ARRAY -> {
        List<@Nullable Object> values = new ArrayList<>();
        while (json.nextToken() != JsonToken.END_ARRAY) {
          values.add(value(json));
        }
        yield values;
      }
      case VALUE_STRING -> json.getString();
      case VALUE_NUMBER_INT -> json.getBigIntegerValue();
      case VALUE_NUMBER_FLOAT -> json.getDoubleValue();
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      default -> null;
    };
  }

  /** Writes a document, with a line break behind it. */
  static String text(Consumer<JsonGenerator> writer) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(512);
    try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), bytes)) {
      writer.accept(json);
    }
    return bytes.toString(StandardCharsets.UTF_8) + '\n';
  }

  // ---- members

  boolean has(String name) {
    return members.get(name) != null;
  }

  /** Whether it is there at all, be it {@code null}. */
  boolean mentions(String name) {
    return members.containsKey(name);
  }

  Optional<String> string(String name) {
    Object value = members.get(name);
    return value == null
        ? Optional.empty()
        : Optional.of(typed(String.class, value, place + name, "a string"));
  }

  /** As {@link #string}; Go's programs write the empty string for nothing. */
  Optional<String> text(String name) {
    return string(name).filter(text -> !text.isEmpty());
  }

  boolean bool(String name, boolean otherwise) {
    Object value = members.get(name);
    return value == null ? otherwise : typed(Boolean.class, value, place + name, "true or false");
  }

  OptionalInt integer(String name) {
    Object value = members.get(name);
    if (value == null) {
      return OptionalInt.empty();
    }
    BigInteger number = typed(BigInteger.class, value, place + name, "a whole number");
    if (number.bitLength() >= Integer.SIZE) {
      throw wrong(place + name, "a whole number of at most " + Integer.MAX_VALUE);
    }
    return OptionalInt.of(number.intValue());
  }

  Optional<CniJson> object(String name) {
    Object value = members.get(name);
    return value == null ? Optional.empty() : Optional.of(object(value, place + name));
  }

  /** Those of an array; none if there is none. */
  List<CniJson> objects(String name) {
    List<CniJson> objects = new ArrayList<>();
    for (Object value : array(name, "an array of objects")) {
      objects.add(object(value, place + name + "[" + objects.size() + "]"));
    }
    return objects;
  }

  /** Those of an array; none if there is none. */
  List<String> strings(String name) {
    List<String> strings = new ArrayList<>();
    for (Object value : array(name, "an array of strings")) {
      String at = place + name + "[" + strings.size() + "]";
      strings.add(typed(String.class, value, at, "a string"));
    }
    return strings;
  }

  /** What is in the way of a value, {@code runtimeConfig.portMappings[0].hostPort}. */
  String place(String name) {
    return '"' + place + name + '"';
  }

  private List<@Nullable Object> array(String name, String wanted) {
    Object value = members.get(name);
    if (value == null) {
      return List.of();
    }
    if (!(value instanceof List<?> list)) {
      throw wrong(place + name, wanted);
    }
    return new ArrayList<>(list);
  }

  private static CniJson object(@Nullable Object value, String at) {
    if (!(value instanceof Map<?, ?> map)) {
      throw wrong(at, "an object");
    }
    Map<String, @Nullable Object> members = new LinkedHashMap<>();
    map.forEach((name, member) -> members.put((String) name, member));
    return new CniJson(members, at + ".");
  }

  private static <T> T typed(Class<T> type, @Nullable Object value, String at, String wanted) {
    if (!type.isInstance(value)) {
      throw wrong(at, wanted);
    }
    return type.cast(value);
  }

  private static CniException wrong(String at, String wanted) {
    return CniException.invalid('"' + at + "\" must be " + wanted);
  }
}
