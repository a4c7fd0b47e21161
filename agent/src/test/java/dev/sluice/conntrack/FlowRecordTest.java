package dev.sluice.conntrack;

import static dev.sluice.conntrack.FlowRecordDescriptor.*;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** Every field of a record, read as an integer and as a value. */
class FlowRecordTest {
  private final ByteBuffer bytes = ByteBuffer.allocate(1024).order(ByteOrder.nativeOrder());
  // Not at the start, so that no accessor can forget the record's own offset.
  private final FlowRecord record = new FlowRecord(bytes).wrap(bytes, 512);

  private void address(int field, String text) {
    bytes.put(512 + field, IpAddress.parse(text).toBytes());
  }

  private void present(int bits) {
    bytes.putInt(512 + PRESENT_OFFSET, bits);
  }

  private void fillTcp6() {
    bytes.put(512 + KIND_OFFSET, (byte) SLUICE_KIND_DESTROY);
    bytes.put(512 + FAMILY_OFFSET, (byte) 10);
    bytes.put(512 + PROTO_OFFSET, (byte) 6);
    bytes.put(512 + PROTO_STATE_OFFSET, (byte) 7);
    bytes.putShort(512 + ZONE_OFFSET, (short) 65535);
    bytes.putLong(512 + EVENT_NS_OFFSET, 1_700_000_000_123_456_789L);
    present(0xffff_ffff & ~SLUICE_HAS_ICMP);
    bytes.putInt(512 + ID_OFFSET, 0xfedc_ba98);
    bytes.putInt(512 + STATUS_OFFSET, 0x1ae);
    bytes.putInt(512 + MARK_OFFSET, 0x8000_0001);
    bytes.putInt(512 + TIMEOUT_SECONDS_OFFSET, 0xffff_fff0);
    bytes.putShort(512 + ORIG_SRC_PORT_OFFSET, (short) 40112);
    bytes.putShort(512 + ORIG_DST_PORT_OFFSET, (short) 8080);
    bytes.putShort(512 + REPLY_SRC_PORT_OFFSET, (short) 80);
    bytes.putShort(512 + REPLY_DST_PORT_OFFSET, (short) 65535);
    address(ORIG_SRC_OFFSET, "2001:db8:18::2");
    address(ORIG_DST_OFFSET, "2001:db8:18::1");
    address(REPLY_SRC_OFFSET, "fd30::2");
    address(REPLY_DST_OFFSET, "8000::ffff:ffff:ffff:fffe");
    bytes.putLong(512 + ORIG_PACKETS_OFFSET, 11);
    bytes.putLong(512 + ORIG_BYTES_OFFSET, 1_100);
    bytes.putLong(512 + REPLY_PACKETS_OFFSET, 22);
    bytes.putLong(512 + REPLY_BYTES_OFFSET, 1L << 40);
    bytes.putLong(512 + START_NS_OFFSET, 1_600_000_000_000_000_001L);
    bytes.putLong(512 + STOP_NS_OFFSET, 1_600_000_000_000_000_002L);
    bytes.putInt(512 + LABELS_OFFSET, 1);
    bytes.putInt(512 + LABELS_OFFSET + 12, 1 << 31);
    bytes.put(512 + HELPER_OFFSET, "ftp".getBytes(StandardCharsets.US_ASCII));
  }

  /** Fails if a field is read from another place, with another width or sign, or another order. */
  @Test
  void everyFieldIsReadFromItsPlace() {
    fillTcp6();
    assertThat(record.kind()).isEqualTo(FlowRecord.Kind.DESTROY);
    assertThat(record.isIpv6()).isTrue();
    assertThat(record.family()).isEqualTo(Family.IPV6);
    assertThat(record.protocol()).isEqualTo(6);
    assertThat(record.protocolState()).isEqualTo(7);
    assertThat(record.zone()).isEqualTo(65535);
    assertThat(record.eventNanos()).isEqualTo(1_700_000_000_123_456_789L);
    assertThat(record.id()).isEqualTo(0xfedc_ba98L);
    assertThat(record.status()).isEqualTo(0x1ae);
    assertThat(record.mark()).isEqualTo(0x8000_0001);
    assertThat(record.timeoutSeconds()).isEqualTo(0xffff_fff0L);
    assertThat(record.originalSourcePort()).isEqualTo(40112);
    assertThat(record.originalDestinationPort()).isEqualTo(8080);
    assertThat(record.replySourcePort()).isEqualTo(80);
    assertThat(record.replyDestinationPort()).isEqualTo(65535);
    assertThat(record.originalSourceHigh()).isEqualTo(0x2001_0db8_0018_0000L);
    assertThat(record.originalSourceLow()).isEqualTo(2);
    assertThat(record.originalDestinationHigh()).isEqualTo(0x2001_0db8_0018_0000L);
    assertThat(record.originalDestinationLow()).isEqualTo(1);
    assertThat(record.replySourceHigh()).isEqualTo(0xfd30_0000_0000_0000L);
    assertThat(record.replySourceLow()).isEqualTo(2);
    assertThat(record.replyDestinationHigh()).isEqualTo(Long.MIN_VALUE);
    assertThat(record.replyDestinationLow()).isEqualTo(0xffff_ffff_ffff_fffeL);
    assertThat(record.originalPackets()).isEqualTo(11);
    assertThat(record.originalBytes()).isEqualTo(1_100);
    assertThat(record.replyPackets()).isEqualTo(22);
    assertThat(record.replyBytes()).isEqualTo(1L << 40);
    assertThat(record.startNanos()).isEqualTo(1_600_000_000_000_000_001L);
    assertThat(record.stopNanos()).isEqualTo(1_600_000_000_000_000_002L);
    assertThat(record.hasLabel(0)).isTrue();
    assertThat(record.hasLabel(127)).isTrue();
    assertThat(record.hasLabel(31)).isFalse();
    assertThat(record.helper()).hasValue("ftp");
  }

  /** Fails if a value made of the record differs from its fields. */
  @Test
  void valuesSayWhatTheFieldsSay() {
    fillTcp6();
    ConntrackEntry entry = record.toEntry();
    assertThat(entry.original())
        .isEqualTo(
            Tuple.of(
                6,
                IpAddress.parse("2001:db8:18::2"),
                40112,
                IpAddress.parse("2001:db8:18::1"),
                8080));
    assertThat(entry.reply())
        .isEqualTo(
            Tuple.of(
                6,
                IpAddress.parse("fd30::2"),
                80,
                IpAddress.parse("8000::ffff:ffff:ffff:fffe"),
                65535));
    assertThat(entry.id()).isEqualTo(0xfedc_ba98L);
    assertThat(entry.originalCounters()).hasValue(new Counters(11, 1_100));
    assertThat(entry.replyCounters()).hasValue(new Counters(22, 1L << 40));
    assertThat(entry.timeoutSeconds()).hasValue(0xffff_fff0L);
    assertThat(entry.tcpState()).hasValue(7);
    assertThat(entry.startNanos()).hasValue(1_600_000_000_000_000_001L);
    assertThat(entry.stopNanos()).hasValue(1_600_000_000_000_000_002L);
    assertThat(entry.helper()).hasValue("ftp");
  }

  /** Fails if what the kernel did not send is shown as sent. */
  @Test
  void whatIsMissingIsEmpty() {
    bytes.put(512 + KIND_OFFSET, (byte) SLUICE_KIND_UPDATE);
    bytes.put(512 + FAMILY_OFFSET, (byte) 2);
    bytes.put(512 + PROTO_OFFSET, (byte) 89);
    bytes.putShort(512 + ZONE_OFFSET, (short) 5);
    address(ORIG_SRC_OFFSET, "198.18.0.2");
    assertThat(record.originalSource4()).isEqualTo(0xc612_0002);
    ConntrackEntry entry = record.toEntry();
    assertThat(entry.original())
        .isEqualTo(
            new Tuple(
                IpAddress.parse("198.18.0.2"),
                IpAddress.parse("0.0.0.0"),
                89,
                Tuple.ADDRESSES_ONLY));
    assertThat(entry.timeoutSeconds()).isEmpty();
    assertThat(entry.tcpState()).isEmpty();
    assertThat(entry.originalCounters()).isEmpty();
    assertThat(entry.replyCounters()).isEmpty();
    assertThat(entry.startNanos()).isEmpty();
    assertThat(entry.stopNanos()).isEmpty();
    assertThat(entry.helper()).isEmpty();
    assertThat(record.hasKernelTime()).isFalse();
    assertThat(record.hasLabels()).isFalse();
  }

  /** Fails if a zone of one direction is shown for the other. */
  @Test
  void zonesBelongToTheirDirection() {
    bytes.putShort(512 + ZONE_OFFSET, (short) 5);
    present(SLUICE_HAS_ZONE);
    assertThat(record.originalZone() + " " + record.replyZone()).isEqualTo("5 5");
    present(SLUICE_HAS_ORIG_ZONE);
    assertThat(record.originalZone() + " " + record.replyZone()).isEqualTo("5 0");
    present(SLUICE_HAS_REPLY_ZONE);
    assertThat(record.originalZone() + " " + record.replyZone()).isEqualTo("0 5");
  }

  /** Fails if ICMP's numbers are mixed up between directions, or the id is not the source port. */
  @Test
  void icmpHasTypeCodeAndIdPerDirection() {
    bytes.put(512 + FAMILY_OFFSET, (byte) 2);
    bytes.put(512 + PROTO_OFFSET, (byte) 1);
    present(SLUICE_HAS_ICMP);
    bytes.put(512 + ORIG_ICMP_TYPE_OFFSET, (byte) 8);
    bytes.put(512 + ORIG_ICMP_CODE_OFFSET, (byte) 1);
    bytes.put(512 + REPLY_ICMP_TYPE_OFFSET, (byte) 200);
    bytes.put(512 + REPLY_ICMP_CODE_OFFSET, (byte) 2);
    bytes.putShort(512 + ORIG_SRC_PORT_OFFSET, (short) 0xfff1);
    bytes.putShort(512 + REPLY_SRC_PORT_OFFSET, (short) 0xfff2);
    assertThat(record.original().detail()).isEqualTo(new Tuple.Icmp(8, 1, 0xfff1));
    assertThat(record.reply().detail()).isEqualTo(new Tuple.Icmp(200, 2, 0xfff2));
    assertThat(record.originalIcmpType()).isEqualTo(8);
    assertThat(record.replyIcmpType()).isEqualTo(200);
    assertThat(record.originalIcmpCode()).isEqualTo(1);
    assertThat(record.replyIcmpCode()).isEqualTo(2);
  }

  /** Fails if a kept copy changes when the ring goes on, or misses bytes. */
  @Test
  void aCopyOutlivesTheRing() {
    fillTcp6();
    ConntrackEntry before = record.toEntry();
    FlowRecord kept = new FlowRecord();
    record.copyTo(kept);
    bytes.put(512, new byte[RECORD_BYTES]);
    assertThat(kept.toEntry()).isEqualTo(before);
    assertThat(kept.kind()).isEqualTo(FlowRecord.Kind.DESTROY);
  }
}
