package dev.sluice.nftables.text;

/** Something has no words in nft's language. The message is the thing itself, on one line. */
final class InexpressibleException extends Exception {
  private static final long serialVersionUID = 1L;

  InexpressibleException(Object what) {
    super(Words.line(String.valueOf(what)));
  }

  String what() {
    return String.valueOf(getMessage());
  }
}
