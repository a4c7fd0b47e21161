package dev.sluice.config;

/** A file of permanent mappings that cannot be used; the message says where and why. */
public final class PortsFileException extends Exception {
  private static final long serialVersionUID = 1L;

  /** What is wrong with the file as a whole. */
  PortsFileException(String file, String problem) {
    super(printable(file) + ": " + problem);
  }

  /**
   * What is wrong at one place.
   *
   * @param line counted from 1
   * @param column counted from 1, in characters
   */
  PortsFileException(String file, int line, int column, String problem) {
    super(printable(file) + ":" + line + ":" + column + ": " + problem);
  }

  private static String printable(String file) {
    return file.replaceAll("\\p{Cntrl}", "\uFFFD");
  }
}
