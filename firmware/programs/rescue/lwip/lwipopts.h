// lwIP's options for the rescue program: IPv4 and IPv6, TCP with TLS, DHCP, AutoIP, mDNS; one thread, no sockets.
//
// Everything comes from pools that are full size from the start. They are so large that no number of TCP clients can
// empty them: LWIP_PCBS connections may each fill their receive window and their send buffer.
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#include <stdint.h>

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_TIMERS 1
#define LWIP_STATS 0
#define MEM_ALIGNMENT 8

#define LWIP_PCBS 40
#define MEMP_NUM_TCP_PCB LWIP_PCBS
#define MEMP_NUM_TCP_PCB_LISTEN 4
// A TLS connection has two; so have the listeners.
#define MEMP_NUM_ALTCP_PCB (2 * LWIP_PCBS + 8)

#define TCP_MSS 1460
// A TLS record of 16 KB and its frame must fit, and with one more buffer it stays under 64 KB (altcp_tls adds them up
// in 16 bits).
#define TCP_WND (40 * TCP_MSS)
#define TCP_SND_BUF (16 * TCP_MSS)
#define TCP_SND_QUEUELEN 64
#define MEMP_NUM_TCP_SEG (LWIP_PCBS * TCP_SND_QUEUELEN)
#define MEM_SIZE (4 * 1024 * 1024)
#define PBUF_POOL_BUFSIZE 1600
#define PBUF_POOL_SIZE 2048
#define MEMP_NUM_PBUF 1024
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_PBUFS 64
#define LWIP_TCP_SACK_OUT 1
#define LWIP_WND_SCALE 0
#define TCP_LISTEN_BACKLOG 1
// Nothing here needs two minutes of TIME_WAIT.
#define TCP_MSL 10000U

#define PORT_MAX 4  // network interfaces
#define MEMP_NUM_UDP_PCB 8
#define MEMP_NUM_SYS_TIMEOUT 64
#define MEMP_NUM_IGMP_GROUP (4 * PORT_MAX)
#define MEMP_NUM_MLD6_GROUP (8 * PORT_MAX)
#define ARP_TABLE_SIZE 32

#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define IPV6_FRAG_COPYHEADER 1  // a fragment's header holds pointers, which have 64 bits here
#define LWIP_IPV6_AUTOCONFIG 1
#define LWIP_IPV6_MLD 1
#define LWIP_IGMP 1
#define LWIP_DHCP 1
#define LWIP_AUTOIP 1
#define LWIP_DHCP_AUTOIP_COOP 1
#define LWIP_DHCP_AUTOIP_COOP_TRIES 2
#define LWIP_MDNS_RESPONDER 1
#define MDNS_MAX_SERVICES 2
#define LWIP_NUM_NETIF_CLIENT_DATA 2
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_EXT_STATUS_CALLBACK 1
#define LWIP_NETIF_STATUS_CALLBACK 1

#define LWIP_ALTCP 1
#define LWIP_ALTCP_TLS 1
#define LWIP_ALTCP_TLS_MBEDTLS 1
extern unsigned char stack_entropy[32];
#define ALTCP_MBEDTLS_ENTROPY_PTR stack_entropy
#define ALTCP_MBEDTLS_ENTROPY_LEN sizeof stack_entropy

// A frame that the kernel has not finished (offloads) has no checksum to look at: port.c decides it for each one.
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_CHKSUM_ALGORITHM 3

extern uint32_t stack_random(void);
#define LWIP_RAND() stack_random()
#define LWIP_HOOK_TCP_ISN(local_ip, local_port, remote_ip, remote_port) stack_random()

#endif
