package dev.sluice.api;

import dev.sluice.net.MalformedValueException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.TokenStreamLocation;

/** Reads the one JSON object that the body of a request is, and says clearly what is wrong. */
final class JsonBody {
  private final JsonParser json;
  private TokenStreamLocation memberLocation;

  private JsonBody(JsonParser json) {
    this.json = json;
    this.memberLocation = json.currentTokenLocation();
  }

  /** Gets the members in turn; must read the value of each. */
  interface Reader<T> {
    T read(JsonBody body);
  }

  /**
   * Reads a body.
   *
   * @param example what a body may look like, for the error message
   * @throws ProblemException if it is no JSON, or not one object
   */
  static <T> T read(byte[] document, String example, Reader<T> reader) {
    try (JsonParser json = ApiJson.parser(document)) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw malformed("the body must be a JSON object such as " + example);
      }
      T result = reader.read(new JsonBody(json));
      if (json.nextToken() != null) {
        throw malformed("something follows the JSON object" + at(json.currentTokenLocation()));
      }
      return result;
    } catch (JacksonException e) {
      throw malformed(
          "the body is not valid JSON: "
              + firstSentence(e.getOriginalMessage())
              + at(e.getLocation()));
    }
  }

  /** The next member's name, with the parser on its value; null behind the last. */
  @Nullable String nextMember() {
    String name = json.nextName();
    if (name != null) {
      memberLocation = json.currentTokenLocation();
      json.nextToken();
    }
    return name;
  }

  /** The complaint about a member that does not belong here. */
  ProblemException unknown(String member, String known) {
    return malformed(
        "unknown member "
            + MalformedValueException.quote(member)
            + at(memberLocation)
            + "; there are "
            + known);
  }

  boolean isNull() {
    return json.currentToken() == JsonToken.VALUE_NULL;
  }

  boolean isObject() {
    return json.currentToken() == JsonToken.START_OBJECT;
  }

  String string(String member) {
    return stringOf('"' + member + '"');
  }

  private String stringOf(String what) {
    if (json.currentToken() != JsonToken.VALUE_STRING) {
      if (json.currentToken().isStructStart()) {
        // Reads on so that nesting beyond the limit is what is complained about.
        json.skipChildren();
      }
      throw malformed(what + " must be a string" + at(json.currentTokenLocation()));
    }
    return json.getString();
  }

  boolean bool(String member) {
    if (json.currentToken() != JsonToken.VALUE_TRUE
        && json.currentToken() != JsonToken.VALUE_FALSE) {
      throw malformed('"' + member + "\" must be true or false" + at(json.currentTokenLocation()));
    }
    return json.getBooleanValue();
  }

  int integer(String member) {
    if (json.currentToken() != JsonToken.VALUE_NUMBER_INT) {
      throw malformed('"' + member + "\" must be a whole number" + at(json.currentTokenLocation()));
    }
    return json.getIntValue();
  }

  /** An array of strings, each read by {@code parse}. */
  <T> List<T> array(String member, String example, int most, Function<String, T> parse) {
    if (json.currentToken() != JsonToken.START_ARRAY) {
      throw malformed(
          '"'
              + member
              + "\" must be an array of strings such as "
              + example
              + at(json.currentTokenLocation()));
    }
    List<T> values = new ArrayList<>();
    while (json.nextToken() != JsonToken.END_ARRAY) {
      if (values.size() == most) {
        throw malformed('"' + member + "\" has more than " + most + " entries");
      }
      values.add(parse.apply(stringOf("an entry of \"" + member + '"')));
    }
    return values;
  }

  /** An array of objects; {@code reader} gets the members of each in turn. */
  <T> List<T> objects(String member, String example, int most, Reader<T> reader) {
    if (json.currentToken() != JsonToken.START_ARRAY) {
      throw malformed(
          '"'
              + member
              + "\" must be an array of objects, as in "
              + example
              + at(json.currentTokenLocation()));
    }
    List<T> values = new ArrayList<>();
    while (json.nextToken() != JsonToken.END_ARRAY) {
      if (values.size() == most) {
        throw malformed('"' + member + "\" has more than " + most + " entries");
      }
      if (json.currentToken() != JsonToken.START_OBJECT) {
        throw malformed(
            "an entry of \"" + member + "\" must be an object" + at(json.currentTokenLocation()));
      }
      values.add(reader.read(this));
    }
    return values;
  }

  /**
   * An array of strings and objects.
   *
   * @param text gets each string
   * @param object gets the members of each object in turn
   */
  void mixed(
      String member, String example, int most, Consumer<String> text, Consumer<JsonBody> object) {
    if (json.currentToken() != JsonToken.START_ARRAY) {
      throw malformed(
          '"'
              + member
              + "\" must be an array such as "
              + example
              + at(json.currentTokenLocation()));
    }
    int count = 0;
    while (json.nextToken() != JsonToken.END_ARRAY) {
      if (count++ == most) {
        throw malformed('"' + member + "\" has more than " + most + " entries");
      }
      if (json.currentToken() == JsonToken.START_OBJECT) {
        object.accept(this);
      } else if (json.currentToken() == JsonToken.VALUE_STRING) {
        text.accept(json.getString());
      } else {
        throw malformed(
            "an entry of \""
                + member
                + "\" must be a string or an object"
                + at(json.currentTokenLocation()));
      }
    }
  }

  static ProblemException malformed(String detail) {
    return new ProblemException(Problem.Kind.MALFORMED_REQUEST, detail);
  }

  private static String at(@Nullable TokenStreamLocation location) {
    return location == null || location.getLineNr() < 0
        ? ""
        : " at line " + location.getLineNr() + ", column " + location.getColumnNr();
  }

  /** Jackson explains at length; the first line says it. */
  private static String firstSentence(@Nullable String message) {
    return message == null ? "unknown reason" : message.lines().findFirst().orElse("");
  }
}
