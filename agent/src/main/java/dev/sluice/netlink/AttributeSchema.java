package dev.sluice.netlink;

import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Names and shapes of the attributes at one level of a message. The protocol packages describe
 * their messages once, and both the readable dump and the path in an error message follow from it.
 */
public final class AttributeSchema {
  /** How a payload reads best. */
  public enum Shape {
    U8,
    U16_BE,
    U32,
    U32_BE,
    S32_BE,
    U64_BE,
    STRING,
    BYTES,
    FLAG,
    NEST
  }

  /** A known attribute; {@code nested} is set for {@link Shape#NEST} only. */
  record Attribute(String name, Shape shape, @Nullable Nested nested) {}

  /** Which schema lies inside a nest: always the same one, or one selected by a sibling's text. */
  record Nested(
      int selectorType,
      Map<String, Supplier<AttributeSchema>> byName,
      Supplier<AttributeSchema> otherwise) {}

  /** Nothing is known: attributes print as numbers. */
  public static final AttributeSchema UNKNOWN = new AttributeSchema(Map.of(), null);

  private final Map<Integer, Attribute> attributes;
  private final @Nullable Attribute any;

  private AttributeSchema(Map<Integer, Attribute> attributes, @Nullable Attribute any) {
    this.attributes = attributes;
    this.any = any;
  }

  public static Builder builder() {
    return new Builder();
  }

  /** An array: every attribute, whatever its type, holds {@code element}. */
  public static AttributeSchema listOf(String name, Supplier<AttributeSchema> element) {
    return new AttributeSchema(
        Map.of(), new Attribute(name, Shape.NEST, new Nested(0, Map.of(), element)));
  }

  /** Whether this is an array, whose attributes are told apart by their place alone. */
  boolean isList() {
    return any != null;
  }

  @Nullable Attribute attribute(int type) {
    Attribute known = attributes.get(type);
    return known != null ? known : any;
  }

  /** The name of {@code type}, or the number in brackets. */
  String name(int type) {
    Attribute attribute = attribute(type);
    return attribute == null ? "[" + type + "]" : attribute.name();
  }

  /** The schema inside the nest {@code type}; {@code siblings} are the attributes beside it. */
  AttributeSchema inside(int type, AttributeCursor siblings) {
    Attribute attribute = attribute(type);
    if (attribute == null || attribute.nested() == null) {
      return UNKNOWN;
    }
    Nested nested = attribute.nested();
    if (!nested.byName().isEmpty()) {
      while (siblings.next()) {
        if (siblings.type() == nested.selectorType()) {
          Supplier<AttributeSchema> selected = nested.byName().get(siblings.string());
          return selected == null ? UNKNOWN : selected.get();
        }
      }
    }
    return nested.otherwise().get();
  }

  /** Collects the attributes of one level. */
  public static final class Builder {
    private final Map<Integer, Attribute> attributes = new HashMap<>();

    private Builder() {}

    public Builder add(int type, String name, Shape shape) {
      attributes.put(type, new Attribute(name, shape, null));
      return this;
    }

    public Builder u8(int type, String name) {
      return add(type, name, Shape.U8);
    }

    public Builder u32be(int type, String name) {
      return add(type, name, Shape.U32_BE);
    }

    public Builder u64be(int type, String name) {
      return add(type, name, Shape.U64_BE);
    }

    public Builder string(int type, String name) {
      return add(type, name, Shape.STRING);
    }

    public Builder bytes(int type, String name) {
      return add(type, name, Shape.BYTES);
    }

    /** A nest; the supplier allows a schema to contain itself. */
    public Builder nest(int type, String name, Supplier<AttributeSchema> inside) {
      attributes.put(type, new Attribute(name, Shape.NEST, new Nested(0, Map.of(), inside)));
      return this;
    }

    /** A nest whose content depends on the text of the sibling attribute {@code selectorType}. */
    public Builder nestSelectedBy(
        int type, String name, int selectorType, Map<String, Supplier<AttributeSchema>> byName) {
      attributes.put(
          type,
          new Attribute(
              name, Shape.NEST, new Nested(selectorType, Map.copyOf(byName), () -> UNKNOWN)));
      return this;
    }

    public AttributeSchema build() {
      return new AttributeSchema(Map.copyOf(attributes), null);
    }
  }
}
