/*
 * The smallest useful NFQUEUE program: every forwarded packet comes to user space, is matched against a list of rules in
 * order, and goes back with a verdict. What a filter in user space cost before AF_XDP.
 *
 *     nfqueue QUEUE < rules       rules: "accept|drop protocol network/length low high", IPv4 in host order
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RULES_MAX 16384
#define QUEUE_LENGTH 8192
#define BUFFER_BYTES (1 << 16)

struct rule {
  uint32_t network, mask;
  uint16_t low, high;
  uint8_t protocol, accept;
};

static struct rule rules[RULES_MAX];
static int rule_count;
static unsigned long long accepted, denied;
static volatile sig_atomic_t is_over;

static void stop(int number) {
  (void)number;
  is_over = 1;
}

/* IPv4 with ports only: what the trials send. */
static int verdict_of(const unsigned char *packet, int length) {
  if (length < 28 || packet[0] >> 4 != 4) return NF_DROP;
  int header = (packet[0] & 15) * 4;
  if (length < header + 4) return NF_DROP;
  uint32_t source = (uint32_t)packet[12] << 24 | packet[13] << 16 | packet[14] << 8 | packet[15];
  uint16_t port = packet[header + 2] << 8 | packet[header + 3];
  for (int i = 0; i < rule_count; i++) {
    const struct rule *rule = &rules[i];
    if (rule->protocol == packet[9] && (source & rule->mask) == rule->network && port >= rule->low &&
        port <= rule->high)
      return rule->accept ? NF_ACCEPT : NF_DROP;
  }
  return NF_DROP;
}

static int judge(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *data,
                 void *context) {
  (void)message;
  (void)context;
  struct nfqnl_msg_packet_hdr *header = nfq_get_msg_packet_hdr(data);
  unsigned char *packet;
  int length = nfq_get_payload(data, &packet);
  int verdict = length < 0 ? NF_DROP : verdict_of(packet, length);
  if (verdict == NF_ACCEPT) accepted++;
  else denied++;
  return nfq_set_verdict(queue, ntohl(header->packet_id), verdict, 0, NULL);
}

static void read_rules(void) {
  char action[8], network[32];
  unsigned protocol, length, low, high;
  while (rule_count < RULES_MAX &&
         scanf("%7s %u %31[0-9.]/%u %u %u", action, &protocol, network, &length, &low, &high) == 6) {
    struct in_addr address;
    if (inet_pton(AF_INET, network, &address) != 1 || length > 32) exit(2);
    struct rule *rule = &rules[rule_count++];
    rule->mask = length == 0 ? 0 : ~0u << (32 - length);
    rule->network = ntohl(address.s_addr) & rule->mask;
    rule->protocol = protocol;
    rule->low = low;
    rule->high = high;
    rule->accept = strcmp(action, "accept") == 0;
  }
}

int main(int count, char **arguments) {
  static char buffer[BUFFER_BYTES] __attribute__((aligned));
  if (count != 2) return 2;
  read_rules();
  struct sigaction action = {.sa_handler = stop};
  sigaction(SIGTERM, &action, NULL);
  struct nfq_handle *handle = nfq_open();
  if (!handle) return perror("nfq_open"), 1;
  struct nfq_q_handle *queue = nfq_create_queue(handle, atoi(arguments[1]), judge, NULL);
  if (!queue) return perror("nfq_create_queue"), 1;
  nfq_set_mode(queue, NFQNL_COPY_PACKET, 64);
  nfq_set_queue_maxlen(queue, QUEUE_LENGTH);
  int socket = nfq_fd(handle), size = 8 << 20, on = 1;
  setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  setsockopt(socket, 270, 5, &on, sizeof on); /* NETLINK_NO_ENOBUFS: a full queue is no error */
  puts("ready");
  fflush(stdout);
  while (!is_over) {
    int length = recv(socket, buffer, sizeof buffer, 0);
    if (length > 0) nfq_handle_packet(handle, buffer, length);
    else if (length < 0 && errno != EINTR && errno != ENOBUFS) return perror("recv"), 1;
  }
  printf("accepted %llu denied %llu\n", accepted, denied);
  nfq_destroy_queue(queue);
  nfq_close(handle);
  return 0;
}
