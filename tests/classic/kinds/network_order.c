/* A length in network byte order before each text. The first text is the name and a password. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

static int sock;

static void send_text(const char *text)
{
    uint32_t length = htonl(strlen(text));
    send(sock, &length, sizeof length, 0);
    send(sock, text, strlen(text), 0);
}

static int receive(void *buffer, size_t length)
{
    return recv(sock, buffer, length, MSG_WAITALL) == (ssize_t)length;
}

int main(int argc, char **argv)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
    char text[4096], typed[1024];
    inet_pton(AF_INET, argv[1], &server.sin_addr);
    sock = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(sock, (struct sockaddr *)&server, sizeof server) != 0) {
        perror("connect");
        return 1;
    }
    snprintf(text, sizeof text, "%s:secret", argv[3]);
    send_text(text);
    for (;;) {
        fd_set ready;
        FD_ZERO(&ready);
        FD_SET(0, &ready);
        FD_SET(sock, &ready);
        select(sock + 1, &ready, NULL, NULL, NULL);
        if (FD_ISSET(sock, &ready)) {
            uint32_t length;
            if (!receive(&length, sizeof length) || !receive(text, ntohl(length))) {
                puts("The server has closed.");
                return 0;
            }
            text[ntohl(length)] = 0;
            puts(text);
            fflush(stdout);
        }
        /* Without stdio's buffer, of which select knows nothing. */
        if (FD_ISSET(0, &ready)) {
            ssize_t length = read(0, typed, sizeof typed - 1);
            if (length <= 0)
                return 0;
            typed[length] = 0;
            typed[strcspn(typed, "\n")] = 0;
            send_text(typed);
        }
    }
}
