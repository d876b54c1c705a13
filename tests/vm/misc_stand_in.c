// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// A kernel module for machines of the tests: it registers a resource with the misc
// controller, which only processors with encrypted memory have, and charges it to the
// cgroup of whoever writes a number to its parameter (a negative one gives back). The
// limit and the numbers are the kernel's own.
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/misc_cgroup.h>
#include <linux/module.h>

static const enum misc_res_type resource = MISC_CG_RES_SEV;

static int charge(const char *text, const struct kernel_param *parameter)
{
    struct misc_cg *group = get_current_misc_cg();
    int count, result = kstrtoint(text, 0, &count);

    if (result == 0 && count < 0)
        misc_cg_uncharge(resource, group, -count);
    else if (result == 0)
        result = misc_cg_try_charge(resource, group, count);
    put_misc_cg(group);
    return result;
}

static const struct kernel_param_ops operations = {.set = charge};

module_param_cb(charge, &operations, NULL, 0200);

static int __init start(void)
{
    return misc_cg_set_capacity(resource, 16);
}

static void __exit end(void)
{
    misc_cg_set_capacity(resource, 0);
}

module_init(start);
module_exit(end);
// Only such modules get at these symbols.
MODULE_LICENSE("GPL v2");
MODULE_DESCRIPTION("a resource of the misc controller that stands for another");
