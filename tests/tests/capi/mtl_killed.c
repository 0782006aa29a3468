/* Receives with MTL's calls, and is killed: mtl_killed PORT. */
#include <mtl/st40_pipeline_api.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct mtl_init_params params;
    memset(&params, 0, sizeof params);
    params.num_ports = 1;
    if (argc != 2 || mtl_para_port_set(&params, MTL_PORT_P, argv[1]) != 0)
        return 2;
    struct st40p_rx_ops ops;
    memset(&ops, 0, sizeof ops);
    ops.name = "killed";
    ops.port.num_port = 1;
    inet_pton(AF_INET, "239.77.0.1", ops.port.ip_addr[MTL_SESSION_PORT_P]);
    memcpy(ops.port.port[MTL_SESSION_PORT_P], params.port[MTL_PORT_P], MTL_PORT_MAX_LEN);
    ops.port.udp_port[MTL_SESSION_PORT_P] = 20002;
    ops.port.payload_type = 113;
    ops.framebuff_cnt = 3;
    ops.max_udw_buff_size = 300;
    ops.rtp_ring_size = 1024;
    ops.flags = ST40P_RX_FLAG_BLOCK_GET | ST40P_RX_FLAG_DISABLE_AUTO_DETECT;
    mtl_handle mt = mtl_init(&params);
    if (mt == NULL || st40p_rx_create(mt, &ops) == NULL)
        return 1;
    kill(getpid(), SIGKILL);
    return 3;
}
