package dev.sluice.nftables.text;

import dev.sluice.net.Bytes;
import dev.sluice.nftables.expr.Payload;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a register holds while a rule is read: not a value, but where it comes from. */
sealed interface Operand {

  /**
   * Something nft has a word for.
   *
   * @param text that word: {@code ip saddr}
   * @param type of the value
   * @param lengthBytes of the value
   * @param networkOrder whether its most significant byte comes first
   * @param packet what was read of the packet; null if it comes from elsewhere
   */
  record Selector(
      String text,
      ValueType type,
      int lengthBytes,
      boolean networkOrder,
      Payload.@Nullable Load packet)
      implements Operand {
    static Selector of(String text, ValueType type, int lengthBytes) {
      return new Selector(text, type, lengthBytes, !type.isHostOrder(), null);
    }

    static Selector of(String text, ValueType type) {
      return of(text, type, type.lengthBytes());
    }

    /** The value most significant byte first. */
    Bytes ordered(Bytes value) {
      return networkOrder ? value : type.ordered(value);
    }

    String valueText(Bytes value) throws InexpressibleException {
      return type.text(ordered(value));
    }

    Selector inNetworkOrder(boolean network) {
      return new Selector(text, type, lengthBytes, network, packet);
    }
  }

  /** The first bytes of an address, which is how nft compares with a prefix of whole bytes. */
  record Beginning(Selector address, int lengthBytes) implements Operand {}

  /**
   * Several neighbouring fields read at once.
   *
   * @param header they belong to
   * @param fields in their order
   * @param whole all of them by their position
   */
  record Fields(String header, List<Selector> fields, Selector whole) implements Operand {
    public Fields {
      fields = List.copyOf(fields);
    }
  }

  /** {@code (of & mask) ^ xor}; the bytes lie as in the register. */
  record Masked(Selector of, Bytes mask, Bytes xor) implements Operand {}

  /** Something to be assigned, with its words. */
  record Computed(String text) implements Operand {}

  /** A value that stands in the rule. */
  record Constant(Bytes value) implements Operand {}

  /**
   * What a map holds for a key.
   *
   * @param text {@code ip saddr map @targets}
   * @param fields of the data
   */
  record MapData(String text, List<ValueType> fields) implements Operand {
    public MapData {
      fields = List.copyOf(fields);
    }
  }
}
