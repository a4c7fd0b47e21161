package dev.sluice.nftables.uapi;

import static dev.sluice.netlink.LinuxNetlink.NFNL_SUBSYS_CTNETLINK;
import static dev.sluice.netlink.LinuxNetlink.NFNL_SUBSYS_NFTABLES;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.netlink.AttributeSchema;
import dev.sluice.netlink.MessagePrinter;
import dev.sluice.testing.Golden;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The schema beside the captures, in which a script has written the headers' name next to each
 * attribute.
 */
class NftSchemaTest {
  /**
   * A comment that names a message or an attribute, and how deep it stands. The headers of the
   * capture did not know every attribute of its kernel, and nft numbers the elements of a list.
   */
  private static final Pattern ANNOTATION =
      Pattern.compile(
          "# ( *)(?:(NLMSG_ERROR|(?:NFTA|NFT_MSG|NFNL)_[A-Z0-9_]+)|(element) \\d+|attribute (\\d+))");

  private static final Pattern PRINTED = Pattern.compile("( *)(\\S+).*");

  static List<String> captures() {
    List<String> captures = new ArrayList<>(Golden.names("nftables/"));
    // An expression the library does not know.
    captures.removeAll(List.of("nftables/rule-xfrm", "nftables/list-rules"));
    return captures;
  }

  /** Fails if an attribute is missing from the schema, misnamed, or not looked into. */
  @ParameterizedTest
  @MethodSource("captures")
  void namesEveryAttributeAsTheHeadersDo(String name) throws IOException {
    List<String> expected = new ArrayList<>();
    boolean quoted = false;
    for (String line : annotations(name)) {
      Matcher annotation = ANNOTATION.matcher(line);
      if (annotation.find()) {
        String depth = annotation.group(1);
        String text = annotation.group(2);
        // An error message quotes the request it answers; that has been read where it was sent.
        quoted = depth.isEmpty() ? "NLMSG_ERROR".equals(text) : quoted;
        if (!quoted) {
          String unnamed =
              annotation.group(3) != null ? "NFTA_LIST_ELEM" : "[" + annotation.group(4) + "]";
          // Flow tables are none of ours: the schema does not know them.
          boolean foreign = "NFTA_FLOWTABLE_TABLE".equals(text);
          expected.add(depth + (foreign ? "[1]" : text != null ? text : unnamed));
        }
      }
    }
    List<String> printed = new ArrayList<>();
    for (Golden.Datagram datagram : Golden.load(name).datagrams()) {
      for (byte[] message : datagram.messages()) {
        ByteBuffer bytes = ByteBuffer.wrap(message).order(ByteOrder.nativeOrder());
        MessagePrinter.print(bytes, 0, message.length, NftSchema.INSTANCE)
            .lines()
            .map(PRINTED::matcher)
            .filter(Matcher::matches)
            .filter(line -> line.group(2).matches("NFTA_.*|NFT_MSG_.*|NFNL_.*|\\[\\d+]|!"))
            .forEach(line -> printed.add(line.group(1) + line.group(2)));
      }
    }
    for (int i = 0; i < Math.min(printed.size(), expected.size()); i++) {
      assertThat(printed.get(i)).as("line %d", i).isEqualTo(expected.get(i));
    }
    assertThat(printed).hasSameSizeAs(expected);
  }

  private static List<String> annotations(String name) throws IOException {
    try (InputStream in =
        Objects.requireNonNull(
            NftSchemaTest.class.getResourceAsStream("/golden/" + name + ".hex"))) {
      List<String> lines = new ArrayList<>();
      boolean inside = false;
      for (String line : new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList()) {
        inside |= line.startsWith(">") || line.startsWith("<");
        if (inside) {
          lines.add(line);
        }
      }
      return lines;
    }
  }

  /** Fails if a message type is added to the constants and forgotten here. */
  @Test
  void namesEveryMessage() throws IllegalAccessException {
    for (Field field : LinuxNfTables.class.getFields()) {
      if (field.getName().startsWith("NFT_MSG_")) {
        int type = NFNL_SUBSYS_NFTABLES << 8 | field.getInt(null);
        assertThat(NftSchema.INSTANCE.name(type)).isEqualTo(field.getName());
        assertThat(NftSchema.INSTANCE.headerBytes(type)).isEqualTo(4);
      }
    }
  }

  /** Fails if another subsystem's messages are read as nf_tables ones. */
  @Test
  void knowsNothingOfOthers() {
    int type = NFNL_SUBSYS_CTNETLINK << 8;
    assertThat(NftSchema.INSTANCE.name(type)).isEqualTo("message 256");
    assertThat(NftSchema.INSTANCE.headerBytes(type)).isZero();
    assertThat(NftSchema.INSTANCE.attributes(type)).isSameAs(AttributeSchema.UNKNOWN);
  }

  /** Fails if numbers that are negative print as large ones, or a value is not shown. */
  @Test
  void printsAChainAsAPersonWouldReadIt() {
    byte[] message = Golden.load("nftables/chain-add-nat-prerouting").sentMessages().get(1);
    ByteBuffer bytes = ByteBuffer.wrap(message).order(ByteOrder.nativeOrder());
    assertThat(MessagePrinter.print(bytes, 0, message.length, NftSchema.INSTANCE))
        .isEqualTo(
            """
            NFT_MSG_NEWCHAIN length=80 flags=REQUEST|0x400 seq=1 port=0
              header 01 00 00 00
              NFTA_CHAIN_TABLE "t"
              NFTA_CHAIN_NAME "prerouting"
              NFTA_CHAIN_TYPE "nat"
              NFTA_CHAIN_POLICY 1
              NFTA_CHAIN_HOOK
                NFTA_HOOK_HOOKNUM 0
                NFTA_HOOK_PRIORITY -100
            """);
  }
}
