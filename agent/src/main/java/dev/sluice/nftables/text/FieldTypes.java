package dev.sluice.nftables.text;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.net.Bytes;
import dev.sluice.nftables.ElementSet;
import dev.sluice.nftables.Userdata;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The type of a set's keys or of a map's data, field by field.
 *
 * @param keyword {@code type} or {@code typeof}
 * @param text what stands behind it; empty if a field's type has no name
 * @param fields what the values are
 * @param lengthsBytes of each field, without padding
 */
record FieldTypes(String keyword, String text, List<ValueType> fields, List<Integer> lengthsBytes) {
  // enum nftnl_udata_set_types (libnftnl, udata.h)
  static final int KEY_TYPEOF = 3;
  static final int DATA_TYPEOF = 4;
  static final int DATA_INTERVAL = 6;
  static final int MERGE_ELEMENTS = 2;
  static final int COMMENT = 7;

  // enum expr_types (nftables, include/expression.h)
  private static final int EXPR_PAYLOAD = 7;
  private static final int EXPR_META = 9;
  private static final int EXPR_CONCAT = 13;
  private static final int EXPR_NUMGEN = 23;

  /** enum proto_desc_id (nftables, include/proto.h). */
  private static final Map<Integer, String> HEADERS =
      Map.of(
          4, "icmp", 6, "udp", 7, "udplite", 8, "tcp", 9, "dccp", 10, "sctp", 11, "th", 12, "ip",
          13, "ip6", 14, "icmpv6");

  /** Bits nft shifts by when it packs the types of a concatenation into one number (TYPE_BITS). */
  private static final int BITS_PER_FIELD = 6;

  private static final int FIELD_MASK = (1 << BITS_PER_FIELD) - 1;

  FieldTypes {
    fields = List.copyOf(fields);
    lengthsBytes = List.copyOf(lengthsBytes);
  }

  /** One field as the notes describe it. */
  private record Noted(String text, ValueType type, int lengthBytes) {}

  static FieldTypes ofKey(ElementSet set) throws InexpressibleException {
    Optional<FieldTypes> noted = noted(set.userdata(), KEY_TYPEOF);
    return noted.isPresent() ? noted.get() : ofNumber(set.keyType(), set.keyLengthBytes());
  }

  static FieldTypes ofData(ElementSet set) throws InexpressibleException {
    if (Userdata.find(set.userdata(), DATA_INTERVAL).filter(FieldTypes::isSet).isPresent()) {
      throw new InexpressibleException("a map to intervals");
    }
    Optional<FieldTypes> noted = noted(set.userdata(), DATA_TYPEOF);
    return noted.isPresent() ? noted.get() : ofNumber(set.dataType(), set.dataLengthBytes());
  }

  static boolean isSet(Bytes number) {
    return !number.equals(Bytes.EMPTY.padTo(number.length()));
  }

  boolean isConcatenation() {
    return fields.size() > 1;
  }

  private static FieldTypes ofNumber(int number, int lengthBytes) throws InexpressibleException {
    List<ValueType> fields = new ArrayList<>();
    if (number == NFT_DATA_VERDICT || (number & ~FIELD_MASK) == 0) {
      fields.add(type(number));
    } else {
      for (int rest = number; rest != 0; rest >>>= BITS_PER_FIELD) {
        fields.add(0, type(rest & FIELD_MASK));
      }
    }
    List<String> names = new ArrayList<>();
    List<Integer> lengths = new ArrayList<>();
    int padded = 0;
    for (ValueType field : fields) {
      names.add(field.typeName());
      lengths.add(
          field == ValueType.INTEGER && fields.size() == 1 ? lengthBytes : field.lengthBytes());
      padded += field.lengthBytes() + 3 & ~3;
    }
    if (fields.size() > 1 ? padded != lengthBytes : lengths.get(0) != lengthBytes) {
      throw new InexpressibleException("type " + names + " of " + lengthBytes + " bytes");
    }
    String text = names.contains("") ? "" : String.join(" . ", names);
    return new FieldTypes("type", text, fields, lengths);
  }

  private static ValueType type(int number) throws InexpressibleException {
    Optional<ValueType> type = ValueType.ofNumber(number);
    if (type.isEmpty()) {
      throw new InexpressibleException("type " + Integer.toUnsignedString(number));
    }
    return type.get();
  }

  /**
   * What nft noted of the expressions behind {@code typeof}; empty if the set has a plain type, or
   * an expression that is not known here: then the number of its type has to do.
   */
  private static Optional<FieldTypes> noted(Bytes userdata, int record) {
    Optional<Bytes> found = Userdata.find(userdata, record);
    if (found.isEmpty()) {
      return Optional.empty();
    }
    Bytes note = found.get();
    int expression = u32(note, 0);
    Bytes inside = Userdata.find(note, 1).orElse(Bytes.EMPTY);
    List<Optional<Noted>> fields = new ArrayList<>();
    if (expression == EXPR_CONCAT) {
      Optional<Bytes> field = Userdata.find(inside, 0);
      for (int i = 1; field.isPresent(); i++) {
        Bytes details = Userdata.find(field.get(), 1).orElse(Bytes.EMPTY);
        fields.add(field(u32(field.get(), 0), details));
        field = Userdata.find(inside, i);
      }
    } else {
      fields.add(field(expression, inside));
    }
    // A plain "type a . b" is noted as a concatenation of nothing.
    if (fields.isEmpty() || fields.stream().anyMatch(Optional::isEmpty)) {
      return Optional.empty();
    }
    List<Noted> known = fields.stream().flatMap(Optional::stream).toList();
    return Optional.of(
        new FieldTypes(
            "typeof",
            String.join(" . ", known.stream().map(Noted::text).toList()),
            known.stream().map(Noted::type).toList(),
            known.stream().map(Noted::lengthBytes).toList()));
  }

  private static Optional<Noted> field(int expression, Bytes details) {
    return switch (expression) {
      case EXPR_PAYLOAD ->
          PayloadField.numbered(HEADERS.getOrDefault(u32(details, 0), ""), u32(details, 1))
              .map(field -> new Noted(field.text(), field.type(), field.lengthBytes()));
      case EXPR_META ->
          Selectors.meta(u32(details, 0))
              .map(meta -> new Noted(meta.text(), meta.type(), meta.lengthBytes()));
      case EXPR_NUMGEN ->
          Optional.of(
              new Noted(
                  Selectors.numgen(u32(details, 0), u32(details, 1), u32(details, 2)),
                  ValueType.INTEGER,
                  Integer.BYTES));
      default -> Optional.empty();
    };
  }

  /** A number in this machine's byte order; 0 if it is missing. */
  private static int u32(Bytes records, int type) {
    return Userdata.find(records, type)
        .filter(value -> value.length() == Integer.BYTES)
        .map(value -> ByteBuffer.wrap(value.toArray()).order(ByteOrder.nativeOrder()).getInt())
        .orElse(0);
  }
}
