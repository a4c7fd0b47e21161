package dev.sluice.nftables;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Expressions;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/**
 * A set, a map (elements carry data) or a verdict map. Not {@code Set}, which java.util has taken.
 *
 * @param table the table
 * @param name up to 255 bytes; {@code __set%d} and {@code __map%d} are anonymous, the kernel
 *     numbers them
 * @param flags NFT_SET_ANONYMOUS, NFT_SET_CONSTANT, NFT_SET_INTERVAL, NFT_SET_MAP, NFT_SET_TIMEOUT,
 *     NFT_SET_EVAL, NFT_SET_CONCAT
 * @param keyType nft's number of the key's type
 * @param keyLengthBytes length of a key
 * @param dataType nft's number of the data's type, 0xffffff00 for verdicts; 0 for a set
 * @param dataLengthBytes length of an element's data; 0 for verdicts
 * @param fieldLengthsBytes for a concatenation with intervals: the fields' lengths; else empty
 * @param sizeLimit most elements it may hold
 * @param timeoutMillis default lifetime of an element; 0: for ever
 * @param transactionId names the set within the batch that creates it; 0 if it exists
 * @param userdata nft's notes about types and byte order
 * @param expressions copied into each element that is added without its own
 */
public record ElementSet(
    TableId table,
    String name,
    int flags,
    int keyType,
    int keyLengthBytes,
    int dataType,
    int dataLengthBytes,
    List<Integer> fieldLengthsBytes,
    OptionalInt sizeLimit,
    long timeoutMillis,
    int transactionId,
    Bytes userdata,
    List<Expression> expressions) {

  public ElementSet {
    fieldLengthsBytes = List.copyOf(fieldLengthsBytes);
    expressions = List.copyOf(expressions);
  }

  /** A set of keys. */
  public static ElementSet set(TableId table, String name, SetType key) {
    return create(table, name, key, 0, 0, 0, SetHints.set(key));
  }

  /** A map from keys to data; {@code SetType.of(VERDICT)} makes it a verdict map. */
  public static ElementSet map(TableId table, String name, SetType key, SetType data) {
    return create(
        table, name, key, NFT_SET_MAP, data.number(), data.lengthBytes(), SetHints.map(key, data));
  }

  private static ElementSet create(
      TableId table,
      String name,
      SetType key,
      int flags,
      int dataType,
      int dataLength,
      Bytes hints) {
    return new ElementSet(
        table,
        name,
        flags,
        key.number(),
        key.lengthBytes(),
        dataType,
        dataLength,
        List.of(),
        OptionalInt.empty(),
        0,
        0,
        hints,
        List.of());
  }

  /**
   * This set for intervals. A single-field key is kept in a tree (start and end are elements of
   * their own); a concatenation holds key and key end in one element.
   */
  public ElementSet withIntervals(SetType key) {
    List<Integer> fields =
        key.isConcatenation()
            ? key.fields().stream().map(DataType::lengthBytes).toList()
            : List.of();
    int added = NFT_SET_INTERVAL | (key.isConcatenation() ? NFT_SET_CONCAT : 0);
    return new ElementSet(
        table,
        name,
        flags | added,
        keyType,
        keyLengthBytes,
        dataType,
        dataLengthBytes,
        fields,
        sizeLimit,
        timeoutMillis,
        transactionId,
        userdata,
        expressions);
  }

  /**
   * The anonymous, constant form of this: it belongs to the one rule that refers to it by {@code
   * id}.
   */
  public ElementSet asAnonymous(int id, int size) {
    return new ElementSet(
        table,
        (flags & NFT_SET_MAP) != 0 ? "__map%d" : "__set%d",
        flags | NFT_SET_ANONYMOUS | NFT_SET_CONSTANT,
        keyType,
        keyLengthBytes,
        dataType,
        dataLengthBytes,
        fieldLengthsBytes,
        OptionalInt.of(size),
        timeoutMillis,
        id,
        userdata,
        expressions);
  }

  public ElementSet withTransactionId(int id) {
    return new ElementSet(
        table,
        name,
        flags,
        keyType,
        keyLengthBytes,
        dataType,
        dataLengthBytes,
        fieldLengthsBytes,
        sizeLimit,
        timeoutMillis,
        id,
        userdata,
        expressions);
  }

  /** This set with user data of the caller's own making in place of the default notes for nft. */
  public ElementSet withUserdata(Bytes notes) {
    return new ElementSet(
        table,
        name,
        flags,
        keyType,
        keyLengthBytes,
        dataType,
        dataLengthBytes,
        fieldLengthsBytes,
        sizeLimit,
        timeoutMillis,
        transactionId,
        notes,
        expressions);
  }

  /** This set with expressions that every element gets. */
  public ElementSet withExpressions(List<Expression> perElement) {
    return new ElementSet(
        table,
        name,
        flags,
        keyType,
        keyLengthBytes,
        dataType,
        dataLengthBytes,
        fieldLengthsBytes,
        sizeLimit,
        timeoutMillis,
        transactionId,
        userdata,
        perElement);
  }

  /** This set as one that rules may add to (NFT_SET_EVAL), for at most {@code size} elements. */
  public ElementSet asDynamic(int size) {
    return new ElementSet(
        table,
        name,
        flags | NFT_SET_EVAL,
        keyType,
        keyLengthBytes,
        dataType,
        dataLengthBytes,
        fieldLengthsBytes,
        OptionalInt.of(size),
        timeoutMillis,
        transactionId,
        userdata,
        expressions);
  }

  /** This set with elements that vanish after {@code millis}, unless they say otherwise. */
  public ElementSet withTimeout(long millis) {
    return new ElementSet(
        table,
        name,
        flags | NFT_SET_TIMEOUT,
        keyType,
        keyLengthBytes,
        dataType,
        dataLengthBytes,
        fieldLengthsBytes,
        sizeLimit,
        millis,
        transactionId,
        userdata,
        expressions);
  }

  public boolean isMap() {
    return (flags & NFT_SET_MAP) != 0;
  }

  public boolean isAnonymous() {
    return (flags & NFT_SET_ANONYMOUS) != 0;
  }

  void encode(MessageWriter out) {
    out.attrString(NFTA_SET_TABLE, table.name())
        .attrString(NFTA_SET_NAME, name)
        .attrU32be(NFTA_SET_FLAGS, flags)
        .attrU32be(NFTA_SET_KEY_TYPE, keyType)
        .attrU32be(NFTA_SET_KEY_LEN, keyLengthBytes);
    if (isMap()) {
      out.attrU32be(NFTA_SET_DATA_TYPE, dataType).attrU32be(NFTA_SET_DATA_LEN, dataLengthBytes);
    }
    // The kernel insists on an id, also for a set that no other message of the batch refers to.
    out.attrU32be(NFTA_SET_ID, transactionId);
    if (sizeLimit.isPresent() || !fieldLengthsBytes.isEmpty()) {
      out.beginNest(NFTA_SET_DESC);
      sizeLimit.ifPresent(limit -> out.attrU32be(NFTA_SET_DESC_SIZE, limit));
      if (!fieldLengthsBytes.isEmpty()) {
        out.beginNest(NFTA_SET_DESC_CONCAT);
        for (int length : fieldLengthsBytes) {
          out.beginNest(NFTA_LIST_ELEM).attrU32be(NFTA_SET_FIELD_LEN, length).endNest();
        }
        out.endNest();
      }
      out.endNest();
    }
    if (timeoutMillis != 0) {
      out.attrU64be(NFTA_SET_TIMEOUT, timeoutMillis);
    }
    if (userdata.length() > 0) {
      out.attrBytes(NFTA_SET_USERDATA, userdata.toArray());
    }
    if (expressions.size() == 1) {
      Expressions.write(out, NFTA_SET_EXPR, expressions.get(0));
    } else if (!expressions.isEmpty()) {
      Expressions.writeList(out, NFTA_SET_EXPRESSIONS, expressions);
    }
  }

  static ElementSet decode(int family, AttributeCursor in) {
    String table = "";
    String name = "";
    int flags = 0;
    int keyType = 0;
    int keyLength = 0;
    int dataType = 0;
    int dataLength = 0;
    List<Integer> fields = List.of();
    OptionalInt size = OptionalInt.empty();
    long timeout = 0;
    Bytes userdata = Bytes.EMPTY;
    List<Expression> expressions = List.of();
    while (in.next()) {
      switch (in.type()) {
        case NFTA_SET_TABLE -> table = in.string();
        case NFTA_SET_NAME -> name = in.string();
        case NFTA_SET_FLAGS -> flags = in.u32be();
        case NFTA_SET_KEY_TYPE -> keyType = in.u32be();
        case NFTA_SET_KEY_LEN -> keyLength = in.u32be();
        case NFTA_SET_DATA_TYPE -> dataType = in.u32be();
        case NFTA_SET_DATA_LEN -> dataLength = in.u32be();
        case NFTA_SET_TIMEOUT -> timeout = in.u64be();
        case NFTA_SET_USERDATA -> userdata = Bytes.of(in.bytes());
        case NFTA_SET_EXPR -> expressions = List.of(Expressions.read(in.nested()));
        case NFTA_SET_EXPRESSIONS -> expressions = Expressions.readList(in.nested());
        case NFTA_SET_DESC -> {
          AttributeCursor description = in.nested();
          while (description.next()) {
            switch (description.type()) {
              case NFTA_SET_DESC_SIZE -> size = OptionalInt.of(description.u32be());
              case NFTA_SET_DESC_CONCAT -> fields = decodeFields(description.nested());
              default -> {}
            }
          }
        }
        default -> {}
      }
    }
    return new ElementSet(
        new TableId(family, table),
        name,
        flags,
        keyType,
        keyLength,
        dataType,
        // The kernel counts its own struct for a verdict.
        dataType == NFT_DATA_VERDICT ? 0 : dataLength,
        fields,
        size,
        timeout,
        0,
        userdata,
        expressions);
  }

  private static List<Integer> decodeFields(AttributeCursor list) {
    List<Integer> fields = new ArrayList<>();
    while (list.next()) {
      AttributeCursor field = list.nested();
      while (field.next()) {
        if (field.type() == NFTA_SET_FIELD_LEN) {
          fields.add(field.u32be());
        }
      }
    }
    return fields;
  }
}
