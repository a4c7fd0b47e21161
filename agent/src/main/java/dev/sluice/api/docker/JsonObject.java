package dev.sluice.api.docker;

import dev.sluice.api.ApiJson;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/**
 * An object of Docker's JSON. It has members of which we know nothing, and its writers leave out
 * what is empty, or write null: a member that is missing is empty here.
 *
 * @param members texts, numbers, truth values, objects, and lists of these
 */
record JsonObject(Map<String, Object> members) {
  /** One without members. */
  static final JsonObject EMPTY = new JsonObject(Map.of());

  /**
   * Reads a document.
   *
   * @throws MalformedJsonException if it is no JSON, or not one object
   */
  static JsonObject read(byte[] document) {
    try (JsonParser json = ApiJson.parser(document)) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw new MalformedJsonException("the body is not a JSON object");
      }
      JsonObject object = readObject(json);
      if (json.nextToken() != null) {
        throw new MalformedJsonException("something follows the JSON object");
      }
      return object;
    } catch (JacksonException e) {
      throw new MalformedJsonException("the body is not valid JSON: " + e.getOriginalMessage());
    }
  }

  private static JsonObject readObject(JsonParser json) {
    Map<String, Object> members = new LinkedHashMap<>();
    for (String name = json.nextName(); name != null; name = json.nextName()) {
      json.nextToken();
      Object value = readValue(json);
      if (value != null) {
        members.put(name, value);
      }
    }
    return new JsonObject(members);
  }

  private static @Nullable Object readValue(JsonParser json) {
    return switch (json.currentToken()) {
      case START_OBJECT -> readObject(json);
      case START_ARRAY -> {
        List<Object> values = new ArrayList<>();
        while (json.nextToken() != JsonToken.END_ARRAY) {
          Object value = readValue(json);
          if (value != null) {
            values.add(value);
          }
        }
        yield values;
      }
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      case VALUE_NULL -> null;
      case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> json.getNumberValue();
      default -> json.getString();
    };
  }

  /** The names of what is there. */
  Set<String> names() {
    return members.keySet();
  }

  /** A text; empty if it is missing or has no characters. */
  Optional<String> text(String name) {
    return value(name, String.class).filter(text -> !text.isEmpty());
  }

  /** A text that must be there. */
  String requiredText(String name) {
    return text(name)
        .orElseThrow(() -> new MalformedJsonException("the member " + name + " is missing"));
  }

  /** A whole number; 0 if it is missing. */
  int integer(String name) {
    Optional<Number> number = value(name, Number.class);
    if (number.isPresent() && number.get().doubleValue() != number.get().intValue()) {
      throw new MalformedJsonException("the member " + name + " is not a whole number of 32 bits");
    }
    return number.map(Number::intValue).orElse(0);
  }

  /** A truth value; false if it is missing. */
  boolean flag(String name) {
    return value(name, Boolean.class).orElse(false);
  }

  /** An object; one without members if it is missing. */
  JsonObject object(String name) {
    return value(name, JsonObject.class).orElse(EMPTY);
  }

  /** A list of objects; without any if it is missing. */
  List<JsonObject> objects(String name) {
    List<JsonObject> objects = new ArrayList<>();
    for (Object one : value(name, List.class).orElse(List.of())) {
      if (!(one instanceof JsonObject object)) {
        throw new MalformedJsonException("the member " + name + " is not a list of objects");
      }
      objects.add(object);
    }
    return objects;
  }

  private <T> Optional<T> value(String name, Class<T> type) {
    Object value = members.get(name);
    if (value != null && !type.isInstance(value)) {
      throw new MalformedJsonException(
          "the member " + name + " is not a " + type.getSimpleName().toLowerCase(Locale.ROOT));
    }
    return Optional.ofNullable(value).map(type::cast);
  }

  /** What was sent is not what the protocol says; the message is one sentence. */
  static final class MalformedJsonException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    MalformedJsonException(String message) {
      super(message);
    }
  }
}
