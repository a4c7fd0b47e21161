package dev.sluice.nftables;

/**
 * What a set's key or data is, as nft numbers it (nftables, include/datatype.h). The kernel only
 * keeps the number; nft needs it to print elements.
 */
public enum DataType {
  VERDICT(0xffffff00, 0, Order.NONE),
  NFPROTO(2, 1, Order.HOST),
  INTEGER(4, 4, Order.HOST),
  IPV4_ADDR(7, 4, Order.NETWORK),
  IPV6_ADDR(8, 16, Order.NETWORK),
  ETHER_ADDR(9, 6, Order.NETWORK),
  INET_PROTO(12, 1, Order.NONE),
  INET_SERVICE(13, 2, Order.NETWORK),
  MARK(19, 4, Order.HOST),
  IFINDEX(20, 4, Order.HOST),
  CT_STATE(26, 4, Order.HOST),
  ICMPV6_TYPE(29, 1, Order.NETWORK),
  IFNAME(41, 16, Order.HOST);

  /** Byte order as nft records it in a set's user data ({@code enum byteorder}). */
  enum Order {
    NONE(0),
    HOST(1),
    NETWORK(2);

    private final int number;

    Order(int number) {
      this.number = number;
    }

    int number() {
      return number;
    }
  }

  private final int number;
  private final int lengthBytes;
  private final Order order;

  DataType(int number, int lengthBytes, Order order) {
    this.number = number;
    this.lengthBytes = lengthBytes;
    this.order = order;
  }

  public int number() {
    return number;
  }

  /** Bytes of one value; 0 for a verdict. */
  public int lengthBytes() {
    return lengthBytes;
  }

  Order order() {
    return order;
  }
}
