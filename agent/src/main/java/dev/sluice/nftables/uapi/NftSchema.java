package dev.sluice.nftables.uapi;

import static dev.sluice.netlink.LinuxNetlink.NFNL_BATCH_GENID;
import static dev.sluice.netlink.LinuxNetlink.NFNL_MSG_BATCH_BEGIN;
import static dev.sluice.netlink.LinuxNetlink.NFNL_MSG_BATCH_END;
import static dev.sluice.netlink.LinuxNetlink.NFNL_SUBSYS_NFTABLES;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BITWISE_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BITWISE_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BITWISE_LEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BITWISE_MASK;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BITWISE_OP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BITWISE_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BITWISE_XOR;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BYTEORDER_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BYTEORDER_LEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BYTEORDER_OP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BYTEORDER_SIZE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BYTEORDER_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_COUNTERS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_HANDLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_HOOK;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_POLICY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_TABLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_USE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_USERDATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CMP_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CMP_OP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CMP_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CONNLIMIT_COUNT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CONNLIMIT_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_COUNTER_BYTES;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_COUNTER_PACKETS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CT_DIRECTION;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CT_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CT_KEY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CT_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DATA_VALUE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DATA_VERDICT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DEVICE_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_EXPR;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_EXPRESSIONS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_OP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_SET_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_SET_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_SREG_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_SREG_KEY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_TIMEOUT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXPR_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXPR_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXTHDR_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXTHDR_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXTHDR_LEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXTHDR_OFFSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXTHDR_OP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXTHDR_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXTHDR_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_FIB_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_FIB_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_FIB_RESULT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_GEN_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_GEN_PROC_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_GEN_PROC_PID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_LEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_MODULUS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_OFFSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_SEED;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_SET_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_SET_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HOOK_DEV;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HOOK_DEVS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HOOK_HOOKNUM;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HOOK_PRIORITY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_IMMEDIATE_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_IMMEDIATE_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LIMIT_BURST;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LIMIT_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LIMIT_RATE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LIMIT_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LIMIT_UNIT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LIST_ELEM;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOG_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOG_GROUP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOG_LEVEL;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOG_PREFIX;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOG_QTHRESHOLD;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOG_SNAPLEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOOKUP_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOOKUP_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOOKUP_SET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOOKUP_SET_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOOKUP_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_MASQ_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_MASQ_REG_PROTO_MAX;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_MASQ_REG_PROTO_MIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_META_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_META_KEY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_META_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NAT_FAMILY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NAT_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NAT_REG_ADDR_MAX;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NAT_REG_ADDR_MIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NAT_REG_PROTO_MAX;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NAT_REG_PROTO_MIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NAT_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NG_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NG_MODULUS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NG_OFFSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NG_SET_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NG_SET_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NG_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJREF_IMM_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJREF_IMM_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJREF_SET_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJREF_SET_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJREF_SET_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJ_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJ_HANDLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJ_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJ_TABLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJ_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJ_USE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJ_USERDATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_BASE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_CSUM_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_CSUM_OFFSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_CSUM_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_LEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_OFFSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_PAYLOAD_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_QUEUE_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_QUEUE_NUM;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_QUEUE_SREG_QNUM;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_QUEUE_TOTAL;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_QUOTA_BYTES;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_QUOTA_CONSUMED;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_QUOTA_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RANGE_FROM_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RANGE_OP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RANGE_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RANGE_TO_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_REDIR_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_REDIR_REG_PROTO_MAX;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_REDIR_REG_PROTO_MIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_REJECT_ICMP_CODE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_REJECT_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RT_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RT_KEY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_CHAIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_CHAIN_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_COMPAT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_EXPRESSIONS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_HANDLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_POSITION;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_POSITION_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_TABLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_USERDATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_COUNT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_DATA_LEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_DATA_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_DESC;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_DESC_CONCAT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_DESC_SIZE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ELEM_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ELEM_EXPIRATION;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ELEM_EXPR;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ELEM_EXPRESSIONS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ELEM_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ELEM_KEY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ELEM_KEY_END;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ELEM_LIST_ELEMENTS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ELEM_LIST_SET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ELEM_LIST_SET_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ELEM_LIST_TABLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ELEM_OBJREF;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ELEM_TIMEOUT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ELEM_USERDATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_EXPR;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_EXPRESSIONS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_FIELD_LEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_GC_INTERVAL;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_HANDLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_KEY_LEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_KEY_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_OBJ_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_POLICY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_TABLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_TIMEOUT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_USERDATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SYNPROXY_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SYNPROXY_MSS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SYNPROXY_WSCALE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TABLE_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TABLE_HANDLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TABLE_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TABLE_OWNER;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TABLE_USE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TABLE_USERDATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TPROXY_FAMILY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TPROXY_REG_ADDR;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TPROXY_REG_PORT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_CHAIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_CT_DIRECTION;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_CT_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_CT_STATE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_CT_STATUS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_IIF;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_IIFTYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_LL_HEADER;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_MARK;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_NETWORK_HEADER;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_NFPROTO;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_OIF;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_OIFTYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_POLICY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_RULE_HANDLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_TABLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_TRANSPORT_HEADER;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_TRACE_VERDICT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_VERDICT_CHAIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_VERDICT_CHAIN_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_VERDICT_CODE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_DELCHAIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_DELFLOWTABLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_DELOBJ;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_DELRULE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_DELSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_DELSETELEM;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_DELTABLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_GETCHAIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_GETFLOWTABLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_GETGEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_GETOBJ;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_GETOBJ_RESET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_GETRULE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_GETSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_GETSETELEM;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_GETTABLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWCHAIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWFLOWTABLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWGEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWOBJ;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWRULE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWSETELEM;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWTABLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_TRACE;
import static java.util.Map.entry;

import dev.sluice.netlink.AttributeSchema;
import dev.sluice.netlink.AttributeSchema.Shape;
import dev.sluice.netlink.MessageSchema;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Names and shapes of every nf_tables message and attribute the library writes or reads ({@code
 * linux/netfilter/nf_tables.h}): for readable dumps, and for the path in an error message. What is
 * not listed prints as a number.
 */
public final class NftSchema implements MessageSchema {
  public static final NftSchema INSTANCE = new NftSchema();

  /** sizeof(struct nfgenmsg): family (1), version (1), resource id (2, big endian). */
  public static final int NFGENMSG_BYTES = 4;

  // Suppliers, because expressions hold data, elements hold expressions, and an expression can hold
  // expressions again.

  private static final AttributeSchema BATCH =
      AttributeSchema.builder().u32be(NFNL_BATCH_GENID, "NFNL_BATCH_GENID").build();

  private static final AttributeSchema TABLE =
      AttributeSchema.builder()
          .string(NFTA_TABLE_NAME, "NFTA_TABLE_NAME")
          .u32be(NFTA_TABLE_FLAGS, "NFTA_TABLE_FLAGS")
          .u32be(NFTA_TABLE_USE, "NFTA_TABLE_USE")
          .u64be(NFTA_TABLE_HANDLE, "NFTA_TABLE_HANDLE")
          .bytes(NFTA_TABLE_USERDATA, "NFTA_TABLE_USERDATA")
          .u32be(NFTA_TABLE_OWNER, "NFTA_TABLE_OWNER")
          .build();

  private static final AttributeSchema DEVICE =
      AttributeSchema.builder().string(NFTA_DEVICE_NAME, "NFTA_DEVICE_NAME").build();

  private static final AttributeSchema HOOK =
      AttributeSchema.builder()
          .u32be(NFTA_HOOK_HOOKNUM, "NFTA_HOOK_HOOKNUM")
          .add(NFTA_HOOK_PRIORITY, "NFTA_HOOK_PRIORITY", Shape.S32_BE)
          .string(NFTA_HOOK_DEV, "NFTA_HOOK_DEV")
          .nest(NFTA_HOOK_DEVS, "NFTA_HOOK_DEVS", () -> NftSchema.DEVICE)
          .build();

  private static final AttributeSchema COUNTER =
      AttributeSchema.builder()
          .u64be(NFTA_COUNTER_BYTES, "NFTA_COUNTER_BYTES")
          .u64be(NFTA_COUNTER_PACKETS, "NFTA_COUNTER_PACKETS")
          .build();

  private static final AttributeSchema CHAIN =
      AttributeSchema.builder()
          .string(NFTA_CHAIN_TABLE, "NFTA_CHAIN_TABLE")
          .u64be(NFTA_CHAIN_HANDLE, "NFTA_CHAIN_HANDLE")
          .string(NFTA_CHAIN_NAME, "NFTA_CHAIN_NAME")
          .nest(NFTA_CHAIN_HOOK, "NFTA_CHAIN_HOOK", () -> NftSchema.HOOK)
          .u32be(NFTA_CHAIN_POLICY, "NFTA_CHAIN_POLICY")
          .u32be(NFTA_CHAIN_USE, "NFTA_CHAIN_USE")
          .string(NFTA_CHAIN_TYPE, "NFTA_CHAIN_TYPE")
          .nest(NFTA_CHAIN_COUNTERS, "NFTA_CHAIN_COUNTERS", () -> NftSchema.COUNTER)
          .u32be(NFTA_CHAIN_FLAGS, "NFTA_CHAIN_FLAGS")
          .u32be(NFTA_CHAIN_ID, "NFTA_CHAIN_ID")
          .bytes(NFTA_CHAIN_USERDATA, "NFTA_CHAIN_USERDATA")
          .build();

  private static final AttributeSchema RULE =
      AttributeSchema.builder()
          .string(NFTA_RULE_TABLE, "NFTA_RULE_TABLE")
          .string(NFTA_RULE_CHAIN, "NFTA_RULE_CHAIN")
          .u64be(NFTA_RULE_HANDLE, "NFTA_RULE_HANDLE")
          .nest(NFTA_RULE_EXPRESSIONS, "NFTA_RULE_EXPRESSIONS", () -> NftSchema.EXPRESSION_LIST)
          .bytes(NFTA_RULE_COMPAT, "NFTA_RULE_COMPAT")
          .u64be(NFTA_RULE_POSITION, "NFTA_RULE_POSITION")
          .bytes(NFTA_RULE_USERDATA, "NFTA_RULE_USERDATA")
          .u32be(NFTA_RULE_ID, "NFTA_RULE_ID")
          .u32be(NFTA_RULE_POSITION_ID, "NFTA_RULE_POSITION_ID")
          .u32be(NFTA_RULE_CHAIN_ID, "NFTA_RULE_CHAIN_ID")
          .build();

  private static final AttributeSchema SET_FIELD =
      AttributeSchema.builder().u32be(NFTA_SET_FIELD_LEN, "NFTA_SET_FIELD_LEN").build();

  private static final AttributeSchema SET_FIELD_LIST =
      AttributeSchema.listOf("NFTA_LIST_ELEM", () -> SET_FIELD);

  private static final AttributeSchema SET_DESC =
      AttributeSchema.builder()
          .u32be(NFTA_SET_DESC_SIZE, "NFTA_SET_DESC_SIZE")
          .nest(NFTA_SET_DESC_CONCAT, "NFTA_SET_DESC_CONCAT", () -> NftSchema.SET_FIELD_LIST)
          .build();

  private static final AttributeSchema SET =
      AttributeSchema.builder()
          .string(NFTA_SET_TABLE, "NFTA_SET_TABLE")
          .string(NFTA_SET_NAME, "NFTA_SET_NAME")
          .u32be(NFTA_SET_FLAGS, "NFTA_SET_FLAGS")
          .u32be(NFTA_SET_KEY_TYPE, "NFTA_SET_KEY_TYPE")
          .u32be(NFTA_SET_KEY_LEN, "NFTA_SET_KEY_LEN")
          .u32be(NFTA_SET_DATA_TYPE, "NFTA_SET_DATA_TYPE")
          .u32be(NFTA_SET_DATA_LEN, "NFTA_SET_DATA_LEN")
          .u32be(NFTA_SET_POLICY, "NFTA_SET_POLICY")
          .nest(NFTA_SET_DESC, "NFTA_SET_DESC", () -> NftSchema.SET_DESC)
          .u32be(NFTA_SET_ID, "NFTA_SET_ID")
          .u64be(NFTA_SET_TIMEOUT, "NFTA_SET_TIMEOUT")
          .u32be(NFTA_SET_GC_INTERVAL, "NFTA_SET_GC_INTERVAL")
          .bytes(NFTA_SET_USERDATA, "NFTA_SET_USERDATA")
          .u32be(NFTA_SET_OBJ_TYPE, "NFTA_SET_OBJ_TYPE")
          .u64be(NFTA_SET_HANDLE, "NFTA_SET_HANDLE")
          .u32be(NFTA_SET_COUNT, "NFTA_SET_COUNT")
          .nest(NFTA_SET_EXPR, "NFTA_SET_EXPR", () -> NftSchema.EXPRESSION)
          .nest(NFTA_SET_EXPRESSIONS, "NFTA_SET_EXPRESSIONS", () -> NftSchema.EXPRESSION_LIST)
          .build();

  private static final AttributeSchema ELEMENT =
      AttributeSchema.builder()
          .nest(NFTA_SET_ELEM_KEY, "NFTA_SET_ELEM_KEY", () -> NftSchema.DATA)
          .nest(NFTA_SET_ELEM_DATA, "NFTA_SET_ELEM_DATA", () -> NftSchema.DATA)
          .u32be(NFTA_SET_ELEM_FLAGS, "NFTA_SET_ELEM_FLAGS")
          .u64be(NFTA_SET_ELEM_TIMEOUT, "NFTA_SET_ELEM_TIMEOUT")
          .u64be(NFTA_SET_ELEM_EXPIRATION, "NFTA_SET_ELEM_EXPIRATION")
          .bytes(NFTA_SET_ELEM_USERDATA, "NFTA_SET_ELEM_USERDATA")
          .nest(NFTA_SET_ELEM_EXPR, "NFTA_SET_ELEM_EXPR", () -> NftSchema.EXPRESSION)
          .string(NFTA_SET_ELEM_OBJREF, "NFTA_SET_ELEM_OBJREF")
          .nest(NFTA_SET_ELEM_KEY_END, "NFTA_SET_ELEM_KEY_END", () -> NftSchema.DATA)
          .nest(
              NFTA_SET_ELEM_EXPRESSIONS,
              "NFTA_SET_ELEM_EXPRESSIONS",
              () -> NftSchema.EXPRESSION_LIST)
          .build();

  /** nft numbers the elements of a request, the kernel calls each NFTA_LIST_ELEM. */
  private static final AttributeSchema ELEMENT_LIST =
      AttributeSchema.listOf("NFTA_LIST_ELEM", () -> ELEMENT);

  private static final AttributeSchema GENERATION =
      AttributeSchema.builder()
          .u32be(NFTA_GEN_ID, "NFTA_GEN_ID")
          .u32be(NFTA_GEN_PROC_PID, "NFTA_GEN_PROC_PID")
          .string(NFTA_GEN_PROC_NAME, "NFTA_GEN_PROC_NAME")
          .build();

  private static final AttributeSchema TRACE =
      AttributeSchema.builder()
          .string(NFTA_TRACE_TABLE, "NFTA_TRACE_TABLE")
          .string(NFTA_TRACE_CHAIN, "NFTA_TRACE_CHAIN")
          .u64be(NFTA_TRACE_RULE_HANDLE, "NFTA_TRACE_RULE_HANDLE")
          .u32be(NFTA_TRACE_TYPE, "NFTA_TRACE_TYPE")
          .nest(NFTA_TRACE_VERDICT, "NFTA_TRACE_VERDICT", () -> NftSchema.VERDICT)
          .u32be(NFTA_TRACE_ID, "NFTA_TRACE_ID")
          .bytes(NFTA_TRACE_LL_HEADER, "NFTA_TRACE_LL_HEADER")
          .bytes(NFTA_TRACE_NETWORK_HEADER, "NFTA_TRACE_NETWORK_HEADER")
          .bytes(NFTA_TRACE_TRANSPORT_HEADER, "NFTA_TRACE_TRANSPORT_HEADER")
          .u32be(NFTA_TRACE_IIF, "NFTA_TRACE_IIF")
          .add(NFTA_TRACE_IIFTYPE, "NFTA_TRACE_IIFTYPE", Shape.U16_BE)
          .u32be(NFTA_TRACE_OIF, "NFTA_TRACE_OIF")
          .add(NFTA_TRACE_OIFTYPE, "NFTA_TRACE_OIFTYPE", Shape.U16_BE)
          .u32be(NFTA_TRACE_MARK, "NFTA_TRACE_MARK")
          .u32be(NFTA_TRACE_NFPROTO, "NFTA_TRACE_NFPROTO")
          .u32be(NFTA_TRACE_POLICY, "NFTA_TRACE_POLICY")
          .u32be(NFTA_TRACE_CT_ID, "NFTA_TRACE_CT_ID")
          .add(NFTA_TRACE_CT_DIRECTION, "NFTA_TRACE_CT_DIRECTION", Shape.U8)
          .u32be(NFTA_TRACE_CT_STATUS, "NFTA_TRACE_CT_STATUS")
          .u32be(NFTA_TRACE_CT_STATE, "NFTA_TRACE_CT_STATE")
          .build();

  private static final AttributeSchema OBJECT =
      AttributeSchema.builder()
          .string(NFTA_OBJ_TABLE, "NFTA_OBJ_TABLE")
          .string(NFTA_OBJ_NAME, "NFTA_OBJ_NAME")
          .u32be(NFTA_OBJ_TYPE, "NFTA_OBJ_TYPE")
          .bytes(NFTA_OBJ_DATA, "NFTA_OBJ_DATA")
          .u32be(NFTA_OBJ_USE, "NFTA_OBJ_USE")
          .u64be(NFTA_OBJ_HANDLE, "NFTA_OBJ_HANDLE")
          .bytes(NFTA_OBJ_USERDATA, "NFTA_OBJ_USERDATA")
          .build();

  private static final AttributeSchema DATA =
      AttributeSchema.builder()
          .bytes(NFTA_DATA_VALUE, "NFTA_DATA_VALUE")
          .nest(NFTA_DATA_VERDICT, "NFTA_DATA_VERDICT", () -> NftSchema.VERDICT)
          .build();

  private static final AttributeSchema VERDICT =
      AttributeSchema.builder()
          .add(NFTA_VERDICT_CODE, "NFTA_VERDICT_CODE", Shape.S32_BE)
          .string(NFTA_VERDICT_CHAIN, "NFTA_VERDICT_CHAIN")
          .u32be(NFTA_VERDICT_CHAIN_ID, "NFTA_VERDICT_CHAIN_ID")
          .build();

  private static final AttributeSchema ELEMENTS =
      AttributeSchema.builder()
          .string(NFTA_SET_ELEM_LIST_TABLE, "NFTA_SET_ELEM_LIST_TABLE")
          .string(NFTA_SET_ELEM_LIST_SET, "NFTA_SET_ELEM_LIST_SET")
          .nest(
              NFTA_SET_ELEM_LIST_ELEMENTS,
              "NFTA_SET_ELEM_LIST_ELEMENTS",
              () -> NftSchema.ELEMENT_LIST)
          .u32be(NFTA_SET_ELEM_LIST_SET_ID, "NFTA_SET_ELEM_LIST_SET_ID")
          .build();

  // Expressions: what lies inside NFTA_EXPR_DATA.

  private static final AttributeSchema EXPR_BITWISE =
      AttributeSchema.builder()
          .u32be(NFTA_BITWISE_SREG, "NFTA_BITWISE_SREG")
          .u32be(NFTA_BITWISE_DREG, "NFTA_BITWISE_DREG")
          .u32be(NFTA_BITWISE_LEN, "NFTA_BITWISE_LEN")
          .nest(NFTA_BITWISE_MASK, "NFTA_BITWISE_MASK", () -> NftSchema.DATA)
          .nest(NFTA_BITWISE_XOR, "NFTA_BITWISE_XOR", () -> NftSchema.DATA)
          .u32be(NFTA_BITWISE_OP, "NFTA_BITWISE_OP")
          .nest(NFTA_BITWISE_DATA, "NFTA_BITWISE_DATA", () -> NftSchema.DATA)
          .build();

  private static final AttributeSchema EXPR_BYTEORDER =
      AttributeSchema.builder()
          .u32be(NFTA_BYTEORDER_SREG, "NFTA_BYTEORDER_SREG")
          .u32be(NFTA_BYTEORDER_DREG, "NFTA_BYTEORDER_DREG")
          .u32be(NFTA_BYTEORDER_OP, "NFTA_BYTEORDER_OP")
          .u32be(NFTA_BYTEORDER_LEN, "NFTA_BYTEORDER_LEN")
          .u32be(NFTA_BYTEORDER_SIZE, "NFTA_BYTEORDER_SIZE")
          .build();

  private static final AttributeSchema EXPR_CMP =
      AttributeSchema.builder()
          .u32be(NFTA_CMP_SREG, "NFTA_CMP_SREG")
          .u32be(NFTA_CMP_OP, "NFTA_CMP_OP")
          .nest(NFTA_CMP_DATA, "NFTA_CMP_DATA", () -> NftSchema.DATA)
          .build();

  private static final AttributeSchema EXPR_CONNLIMIT =
      AttributeSchema.builder()
          .u32be(NFTA_CONNLIMIT_COUNT, "NFTA_CONNLIMIT_COUNT")
          .u32be(NFTA_CONNLIMIT_FLAGS, "NFTA_CONNLIMIT_FLAGS")
          .build();

  private static final AttributeSchema EXPR_CT =
      AttributeSchema.builder()
          .u32be(NFTA_CT_DREG, "NFTA_CT_DREG")
          .u32be(NFTA_CT_KEY, "NFTA_CT_KEY")
          .u8(NFTA_CT_DIRECTION, "NFTA_CT_DIRECTION")
          .u32be(NFTA_CT_SREG, "NFTA_CT_SREG")
          .build();

  private static final AttributeSchema EXPR_DYNSET =
      AttributeSchema.builder()
          .string(NFTA_DYNSET_SET_NAME, "NFTA_DYNSET_SET_NAME")
          .u32be(NFTA_DYNSET_SET_ID, "NFTA_DYNSET_SET_ID")
          .u32be(NFTA_DYNSET_OP, "NFTA_DYNSET_OP")
          .u32be(NFTA_DYNSET_SREG_KEY, "NFTA_DYNSET_SREG_KEY")
          .u32be(NFTA_DYNSET_SREG_DATA, "NFTA_DYNSET_SREG_DATA")
          .u64be(NFTA_DYNSET_TIMEOUT, "NFTA_DYNSET_TIMEOUT")
          .nest(NFTA_DYNSET_EXPR, "NFTA_DYNSET_EXPR", () -> NftSchema.EXPRESSION)
          .u32be(NFTA_DYNSET_FLAGS, "NFTA_DYNSET_FLAGS")
          .nest(NFTA_DYNSET_EXPRESSIONS, "NFTA_DYNSET_EXPRESSIONS", () -> NftSchema.EXPRESSION_LIST)
          .build();

  private static final AttributeSchema EXPR_EXTHDR =
      AttributeSchema.builder()
          .u32be(NFTA_EXTHDR_DREG, "NFTA_EXTHDR_DREG")
          .u8(NFTA_EXTHDR_TYPE, "NFTA_EXTHDR_TYPE")
          .u32be(NFTA_EXTHDR_OFFSET, "NFTA_EXTHDR_OFFSET")
          .u32be(NFTA_EXTHDR_LEN, "NFTA_EXTHDR_LEN")
          .u32be(NFTA_EXTHDR_FLAGS, "NFTA_EXTHDR_FLAGS")
          .u32be(NFTA_EXTHDR_OP, "NFTA_EXTHDR_OP")
          .u32be(NFTA_EXTHDR_SREG, "NFTA_EXTHDR_SREG")
          .build();

  private static final AttributeSchema EXPR_FIB =
      AttributeSchema.builder()
          .u32be(NFTA_FIB_DREG, "NFTA_FIB_DREG")
          .u32be(NFTA_FIB_RESULT, "NFTA_FIB_RESULT")
          .u32be(NFTA_FIB_FLAGS, "NFTA_FIB_FLAGS")
          .build();

  private static final AttributeSchema EXPR_HASH =
      AttributeSchema.builder()
          .u32be(NFTA_HASH_SREG, "NFTA_HASH_SREG")
          .u32be(NFTA_HASH_DREG, "NFTA_HASH_DREG")
          .u32be(NFTA_HASH_LEN, "NFTA_HASH_LEN")
          .u32be(NFTA_HASH_MODULUS, "NFTA_HASH_MODULUS")
          .u32be(NFTA_HASH_SEED, "NFTA_HASH_SEED")
          .u32be(NFTA_HASH_OFFSET, "NFTA_HASH_OFFSET")
          .u32be(NFTA_HASH_TYPE, "NFTA_HASH_TYPE")
          .string(NFTA_HASH_SET_NAME, "NFTA_HASH_SET_NAME")
          .u32be(NFTA_HASH_SET_ID, "NFTA_HASH_SET_ID")
          .build();

  private static final AttributeSchema EXPR_IMMEDIATE =
      AttributeSchema.builder()
          .u32be(NFTA_IMMEDIATE_DREG, "NFTA_IMMEDIATE_DREG")
          .nest(NFTA_IMMEDIATE_DATA, "NFTA_IMMEDIATE_DATA", () -> NftSchema.DATA)
          .build();

  private static final AttributeSchema EXPR_LIMIT =
      AttributeSchema.builder()
          .u64be(NFTA_LIMIT_RATE, "NFTA_LIMIT_RATE")
          .u64be(NFTA_LIMIT_UNIT, "NFTA_LIMIT_UNIT")
          .u32be(NFTA_LIMIT_BURST, "NFTA_LIMIT_BURST")
          .u32be(NFTA_LIMIT_TYPE, "NFTA_LIMIT_TYPE")
          .u32be(NFTA_LIMIT_FLAGS, "NFTA_LIMIT_FLAGS")
          .build();

  private static final AttributeSchema EXPR_LOG =
      AttributeSchema.builder()
          .add(NFTA_LOG_GROUP, "NFTA_LOG_GROUP", Shape.U16_BE)
          .string(NFTA_LOG_PREFIX, "NFTA_LOG_PREFIX")
          .u32be(NFTA_LOG_SNAPLEN, "NFTA_LOG_SNAPLEN")
          .add(NFTA_LOG_QTHRESHOLD, "NFTA_LOG_QTHRESHOLD", Shape.U16_BE)
          .u32be(NFTA_LOG_LEVEL, "NFTA_LOG_LEVEL")
          .u32be(NFTA_LOG_FLAGS, "NFTA_LOG_FLAGS")
          .build();

  private static final AttributeSchema EXPR_LOOKUP =
      AttributeSchema.builder()
          .string(NFTA_LOOKUP_SET, "NFTA_LOOKUP_SET")
          .u32be(NFTA_LOOKUP_SREG, "NFTA_LOOKUP_SREG")
          .u32be(NFTA_LOOKUP_DREG, "NFTA_LOOKUP_DREG")
          .u32be(NFTA_LOOKUP_SET_ID, "NFTA_LOOKUP_SET_ID")
          .u32be(NFTA_LOOKUP_FLAGS, "NFTA_LOOKUP_FLAGS")
          .build();

  private static final AttributeSchema EXPR_MASQ =
      AttributeSchema.builder()
          .u32be(NFTA_MASQ_FLAGS, "NFTA_MASQ_FLAGS")
          .u32be(NFTA_MASQ_REG_PROTO_MIN, "NFTA_MASQ_REG_PROTO_MIN")
          .u32be(NFTA_MASQ_REG_PROTO_MAX, "NFTA_MASQ_REG_PROTO_MAX")
          .build();

  private static final AttributeSchema EXPR_META =
      AttributeSchema.builder()
          .u32be(NFTA_META_DREG, "NFTA_META_DREG")
          .u32be(NFTA_META_KEY, "NFTA_META_KEY")
          .u32be(NFTA_META_SREG, "NFTA_META_SREG")
          .build();

  private static final AttributeSchema EXPR_NAT =
      AttributeSchema.builder()
          .u32be(NFTA_NAT_TYPE, "NFTA_NAT_TYPE")
          .u32be(NFTA_NAT_FAMILY, "NFTA_NAT_FAMILY")
          .u32be(NFTA_NAT_REG_ADDR_MIN, "NFTA_NAT_REG_ADDR_MIN")
          .u32be(NFTA_NAT_REG_ADDR_MAX, "NFTA_NAT_REG_ADDR_MAX")
          .u32be(NFTA_NAT_REG_PROTO_MIN, "NFTA_NAT_REG_PROTO_MIN")
          .u32be(NFTA_NAT_REG_PROTO_MAX, "NFTA_NAT_REG_PROTO_MAX")
          .u32be(NFTA_NAT_FLAGS, "NFTA_NAT_FLAGS")
          .build();

  private static final AttributeSchema EXPR_NUMGEN =
      AttributeSchema.builder()
          .u32be(NFTA_NG_DREG, "NFTA_NG_DREG")
          .u32be(NFTA_NG_MODULUS, "NFTA_NG_MODULUS")
          .u32be(NFTA_NG_TYPE, "NFTA_NG_TYPE")
          .u32be(NFTA_NG_OFFSET, "NFTA_NG_OFFSET")
          .string(NFTA_NG_SET_NAME, "NFTA_NG_SET_NAME")
          .u32be(NFTA_NG_SET_ID, "NFTA_NG_SET_ID")
          .build();

  private static final AttributeSchema EXPR_OBJREF =
      AttributeSchema.builder()
          .u32be(NFTA_OBJREF_IMM_TYPE, "NFTA_OBJREF_IMM_TYPE")
          .string(NFTA_OBJREF_IMM_NAME, "NFTA_OBJREF_IMM_NAME")
          .u32be(NFTA_OBJREF_SET_SREG, "NFTA_OBJREF_SET_SREG")
          .string(NFTA_OBJREF_SET_NAME, "NFTA_OBJREF_SET_NAME")
          .u32be(NFTA_OBJREF_SET_ID, "NFTA_OBJREF_SET_ID")
          .build();

  private static final AttributeSchema EXPR_PAYLOAD =
      AttributeSchema.builder()
          .u32be(NFTA_PAYLOAD_DREG, "NFTA_PAYLOAD_DREG")
          .u32be(NFTA_PAYLOAD_BASE, "NFTA_PAYLOAD_BASE")
          .u32be(NFTA_PAYLOAD_OFFSET, "NFTA_PAYLOAD_OFFSET")
          .u32be(NFTA_PAYLOAD_LEN, "NFTA_PAYLOAD_LEN")
          .u32be(NFTA_PAYLOAD_SREG, "NFTA_PAYLOAD_SREG")
          .u32be(NFTA_PAYLOAD_CSUM_TYPE, "NFTA_PAYLOAD_CSUM_TYPE")
          .u32be(NFTA_PAYLOAD_CSUM_OFFSET, "NFTA_PAYLOAD_CSUM_OFFSET")
          .u32be(NFTA_PAYLOAD_CSUM_FLAGS, "NFTA_PAYLOAD_CSUM_FLAGS")
          .build();

  private static final AttributeSchema EXPR_QUEUE =
      AttributeSchema.builder()
          .add(NFTA_QUEUE_NUM, "NFTA_QUEUE_NUM", Shape.U16_BE)
          .add(NFTA_QUEUE_TOTAL, "NFTA_QUEUE_TOTAL", Shape.U16_BE)
          .add(NFTA_QUEUE_FLAGS, "NFTA_QUEUE_FLAGS", Shape.U16_BE)
          .u32be(NFTA_QUEUE_SREG_QNUM, "NFTA_QUEUE_SREG_QNUM")
          .build();

  private static final AttributeSchema EXPR_QUOTA =
      AttributeSchema.builder()
          .u64be(NFTA_QUOTA_BYTES, "NFTA_QUOTA_BYTES")
          .u32be(NFTA_QUOTA_FLAGS, "NFTA_QUOTA_FLAGS")
          .u64be(NFTA_QUOTA_CONSUMED, "NFTA_QUOTA_CONSUMED")
          .build();

  private static final AttributeSchema EXPR_RANGE =
      AttributeSchema.builder()
          .u32be(NFTA_RANGE_SREG, "NFTA_RANGE_SREG")
          .u32be(NFTA_RANGE_OP, "NFTA_RANGE_OP")
          .nest(NFTA_RANGE_FROM_DATA, "NFTA_RANGE_FROM_DATA", () -> NftSchema.DATA)
          .nest(NFTA_RANGE_TO_DATA, "NFTA_RANGE_TO_DATA", () -> NftSchema.DATA)
          .build();

  private static final AttributeSchema EXPR_REDIR =
      AttributeSchema.builder()
          .u32be(NFTA_REDIR_REG_PROTO_MIN, "NFTA_REDIR_REG_PROTO_MIN")
          .u32be(NFTA_REDIR_REG_PROTO_MAX, "NFTA_REDIR_REG_PROTO_MAX")
          .u32be(NFTA_REDIR_FLAGS, "NFTA_REDIR_FLAGS")
          .build();

  private static final AttributeSchema EXPR_REJECT =
      AttributeSchema.builder()
          .u32be(NFTA_REJECT_TYPE, "NFTA_REJECT_TYPE")
          .u8(NFTA_REJECT_ICMP_CODE, "NFTA_REJECT_ICMP_CODE")
          .build();

  private static final AttributeSchema EXPR_RT =
      AttributeSchema.builder()
          .u32be(NFTA_RT_DREG, "NFTA_RT_DREG")
          .u32be(NFTA_RT_KEY, "NFTA_RT_KEY")
          .build();

  private static final AttributeSchema EXPR_SYNPROXY =
      AttributeSchema.builder()
          .add(NFTA_SYNPROXY_MSS, "NFTA_SYNPROXY_MSS", AttributeSchema.Shape.U16_BE)
          .u8(NFTA_SYNPROXY_WSCALE, "NFTA_SYNPROXY_WSCALE")
          .u32be(NFTA_SYNPROXY_FLAGS, "NFTA_SYNPROXY_FLAGS")
          .build();

  private static final AttributeSchema EXPR_TPROXY =
      AttributeSchema.builder()
          .u32be(NFTA_TPROXY_FAMILY, "NFTA_TPROXY_FAMILY")
          .u32be(NFTA_TPROXY_REG_ADDR, "NFTA_TPROXY_REG_ADDR")
          .u32be(NFTA_TPROXY_REG_PORT, "NFTA_TPROXY_REG_PORT")
          .build();

  private static final Map<String, Supplier<AttributeSchema>> EXPRESSIONS =
      Map.ofEntries(
          entry("bitwise", () -> NftSchema.EXPR_BITWISE),
          entry("byteorder", () -> NftSchema.EXPR_BYTEORDER),
          entry("cmp", () -> NftSchema.EXPR_CMP),
          entry("connlimit", () -> NftSchema.EXPR_CONNLIMIT),
          entry("counter", () -> NftSchema.COUNTER),
          entry("ct", () -> NftSchema.EXPR_CT),
          entry("dynset", () -> NftSchema.EXPR_DYNSET),
          entry("exthdr", () -> NftSchema.EXPR_EXTHDR),
          entry("fib", () -> NftSchema.EXPR_FIB),
          entry("hash", () -> NftSchema.EXPR_HASH),
          entry("immediate", () -> NftSchema.EXPR_IMMEDIATE),
          entry("limit", () -> NftSchema.EXPR_LIMIT),
          entry("log", () -> NftSchema.EXPR_LOG),
          entry("lookup", () -> NftSchema.EXPR_LOOKUP),
          entry("masq", () -> NftSchema.EXPR_MASQ),
          entry("meta", () -> NftSchema.EXPR_META),
          entry("nat", () -> NftSchema.EXPR_NAT),
          entry("numgen", () -> NftSchema.EXPR_NUMGEN),
          entry("objref", () -> NftSchema.EXPR_OBJREF),
          entry("payload", () -> NftSchema.EXPR_PAYLOAD),
          entry("queue", () -> NftSchema.EXPR_QUEUE),
          entry("quota", () -> NftSchema.EXPR_QUOTA),
          entry("range", () -> NftSchema.EXPR_RANGE),
          entry("redir", () -> NftSchema.EXPR_REDIR),
          entry("reject", () -> NftSchema.EXPR_REJECT),
          entry("rt", () -> NftSchema.EXPR_RT),
          entry("synproxy", () -> NftSchema.EXPR_SYNPROXY),
          entry("tproxy", () -> NftSchema.EXPR_TPROXY));

  private static final AttributeSchema EXPRESSION =
      AttributeSchema.builder()
          .string(NFTA_EXPR_NAME, "NFTA_EXPR_NAME")
          .nestSelectedBy(NFTA_EXPR_DATA, "NFTA_EXPR_DATA", NFTA_EXPR_NAME, EXPRESSIONS)
          .build();

  private static final AttributeSchema EXPRESSION_LIST =
      AttributeSchema.builder()
          .nest(NFTA_LIST_ELEM, "NFTA_LIST_ELEM", () -> NftSchema.EXPRESSION)
          .build();

  private NftSchema() {}

  @Override
  public String name(int messageType) {
    if (messageType == NFNL_MSG_BATCH_BEGIN) {
      return "NFNL_MSG_BATCH_BEGIN";
    }
    if (messageType == NFNL_MSG_BATCH_END) {
      return "NFNL_MSG_BATCH_END";
    }
    if (messageType >>> 8 != NFNL_SUBSYS_NFTABLES) {
      return MessageSchema.UNKNOWN.name(messageType);
    }
    return switch (messageType & 0xff) {
      case NFT_MSG_NEWTABLE -> "NFT_MSG_NEWTABLE";
      case NFT_MSG_GETTABLE -> "NFT_MSG_GETTABLE";
      case NFT_MSG_DELTABLE -> "NFT_MSG_DELTABLE";
      case NFT_MSG_NEWCHAIN -> "NFT_MSG_NEWCHAIN";
      case NFT_MSG_GETCHAIN -> "NFT_MSG_GETCHAIN";
      case NFT_MSG_DELCHAIN -> "NFT_MSG_DELCHAIN";
      case NFT_MSG_NEWRULE -> "NFT_MSG_NEWRULE";
      case NFT_MSG_GETRULE -> "NFT_MSG_GETRULE";
      case NFT_MSG_DELRULE -> "NFT_MSG_DELRULE";
      case NFT_MSG_NEWSET -> "NFT_MSG_NEWSET";
      case NFT_MSG_GETSET -> "NFT_MSG_GETSET";
      case NFT_MSG_DELSET -> "NFT_MSG_DELSET";
      case NFT_MSG_NEWSETELEM -> "NFT_MSG_NEWSETELEM";
      case NFT_MSG_GETSETELEM -> "NFT_MSG_GETSETELEM";
      case NFT_MSG_DELSETELEM -> "NFT_MSG_DELSETELEM";
      case NFT_MSG_NEWGEN -> "NFT_MSG_NEWGEN";
      case NFT_MSG_GETGEN -> "NFT_MSG_GETGEN";
      case NFT_MSG_TRACE -> "NFT_MSG_TRACE";
      case NFT_MSG_NEWOBJ -> "NFT_MSG_NEWOBJ";
      case NFT_MSG_GETOBJ -> "NFT_MSG_GETOBJ";
      case NFT_MSG_DELOBJ -> "NFT_MSG_DELOBJ";
      case NFT_MSG_GETOBJ_RESET -> "NFT_MSG_GETOBJ_RESET";
      case NFT_MSG_NEWFLOWTABLE -> "NFT_MSG_NEWFLOWTABLE";
      case NFT_MSG_GETFLOWTABLE -> "NFT_MSG_GETFLOWTABLE";
      case NFT_MSG_DELFLOWTABLE -> "NFT_MSG_DELFLOWTABLE";
      default -> MessageSchema.UNKNOWN.name(messageType);
    };
  }

  @Override
  public int headerBytes(int messageType) {
    return isBatch(messageType) || messageType >>> 8 == NFNL_SUBSYS_NFTABLES ? NFGENMSG_BYTES : 0;
  }

  @Override
  public AttributeSchema attributes(int messageType) {
    if (isBatch(messageType)) {
      return BATCH;
    }
    if (messageType >>> 8 != NFNL_SUBSYS_NFTABLES) {
      return AttributeSchema.UNKNOWN;
    }
    return switch (messageType & 0xff) {
      case NFT_MSG_NEWTABLE, NFT_MSG_GETTABLE, NFT_MSG_DELTABLE -> TABLE;
      case NFT_MSG_NEWCHAIN, NFT_MSG_GETCHAIN, NFT_MSG_DELCHAIN -> CHAIN;
      case NFT_MSG_NEWRULE, NFT_MSG_GETRULE, NFT_MSG_DELRULE -> RULE;
      case NFT_MSG_NEWSET, NFT_MSG_GETSET, NFT_MSG_DELSET -> SET;
      case NFT_MSG_NEWSETELEM, NFT_MSG_GETSETELEM, NFT_MSG_DELSETELEM -> ELEMENTS;
      case NFT_MSG_NEWGEN, NFT_MSG_GETGEN -> GENERATION;
      case NFT_MSG_TRACE -> TRACE;
      case NFT_MSG_NEWOBJ, NFT_MSG_GETOBJ, NFT_MSG_DELOBJ, NFT_MSG_GETOBJ_RESET -> OBJECT;
      default -> AttributeSchema.UNKNOWN;
    };
  }

  private static boolean isBatch(int messageType) {
    return messageType == NFNL_MSG_BATCH_BEGIN || messageType == NFNL_MSG_BATCH_END;
  }
}
