package dev.sluice.nftables;

import dev.sluice.nftables.expr.Register;
import java.util.List;

/**
 * The type of a set's key or of a map's data: one field, or several concatenated, each padded to a
 * multiple of 4 bytes.
 *
 * @param fields in the order they are written in a rule
 */
public record SetType(List<DataType> fields) {
  /** Bits nft shifts by when it packs the types of a concatenation into one number (TYPE_BITS). */
  private static final int BITS_PER_FIELD = 6;

  public SetType {
    fields = List.copyOf(fields);
    if (fields.isEmpty()) {
      throw new IllegalArgumentException("a set type needs a field");
    }
  }

  public static SetType of(DataType... fields) {
    return new SetType(List.of(fields));
  }

  public boolean isConcatenation() {
    return fields.size() > 1;
  }

  /** NFTA_SET_KEY_TYPE, NFTA_SET_DATA_TYPE. */
  public int number() {
    int number = 0;
    for (DataType field : fields) {
      number = number << BITS_PER_FIELD | field.number();
    }
    return number;
  }

  /** NFTA_SET_KEY_LEN, NFTA_SET_DATA_LEN, in bytes. */
  public int lengthBytes() {
    if (!isConcatenation()) {
      return fields.get(0).lengthBytes();
    }
    int length = 0;
    for (DataType field : fields) {
      length += Register.padded(field.lengthBytes());
    }
    return length;
  }

  /** The byte order nft notes for it; a concatenation has none of its own. */
  int orderNumber() {
    return isConcatenation() ? 0 : fields.get(0).order().number();
  }
}
