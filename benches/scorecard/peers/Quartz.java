// Quartz with its clustered PostgreSQL job store. Prints one number: how many jobs it ran in the time that is measured.
// Arguments: the port of the server on 127.0.0.1; `prepare` and a number of jobs, or `run` and how many jobs it may acquire at once, seconds
// before the measurement, and seconds of it. Prepared jobs are due every second, or in a year if their number is negative.

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.util.Date;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.quartz.Job;
import org.quartz.JobBuilder;
import org.quartz.JobDetail;
import org.quartz.JobExecutionContext;
import org.quartz.Scheduler;
import org.quartz.SimpleScheduleBuilder;
import org.quartz.Trigger;
import org.quartz.TriggerBuilder;
import org.quartz.impl.StdSchedulerFactory;

public class Quartz {
    static final AtomicLong RUNS = new AtomicLong();

    public static class Count implements Job {
        @Override
        public void execute(JobExecutionContext context) {
            RUNS.incrementAndGet();
        }
    }

    static void createTables(String url) throws Exception {
        String script = "org/quartz/impl/jdbcjobstore/tables_postgres.sql";
        try (var stream = Scheduler.class.getClassLoader().getResourceAsStream(script);
                Connection connection = DriverManager.getConnection(url, "matins", "");
                Statement statement = connection.createStatement()) {
            statement.execute(new String(stream.readAllBytes(), "UTF-8"));
        }
    }

    static Scheduler scheduler(String url, String batch) throws Exception {
        Properties properties = new Properties();
        properties.put("org.quartz.scheduler.instanceName", "peers");
        properties.put("org.quartz.scheduler.instanceId", "AUTO");
        properties.put("org.quartz.scheduler.skipUpdateCheck", "true");
        properties.put("org.quartz.scheduler.batchTriggerAcquisitionMaxCount", batch);
        properties.put("org.quartz.threadPool.class", "org.quartz.simpl.SimpleThreadPool");
        properties.put("org.quartz.threadPool.threadCount", batch);
        properties.put("org.quartz.jobStore.class", "org.quartz.impl.jdbcjobstore.JobStoreTX");
        properties.put("org.quartz.jobStore.driverDelegateClass", "org.quartz.impl.jdbcjobstore.PostgreSQLDelegate");
        properties.put("org.quartz.jobStore.isClustered", "true");
        properties.put("org.quartz.jobStore.acquireTriggersWithinLock", "true");
        properties.put("org.quartz.jobStore.dataSource", "store");
        properties.put("org.quartz.dataSource.store.driver", "org.postgresql.Driver");
        properties.put("org.quartz.dataSource.store.URL", url);
        properties.put("org.quartz.dataSource.store.user", "matins");
        properties.put("org.quartz.dataSource.store.password", "");
        properties.put("org.quartz.dataSource.store.maxConnections", "12");
        return new StdSchedulerFactory(properties).getScheduler();
    }

    static void prepare(String url, int jobs) throws Exception {
        createTables(url);
        Scheduler scheduler = scheduler(url, "1");
        long first = System.currentTimeMillis() + (jobs < 0 ? 365L * 86_400_000L : 0);
        Map<JobDetail, Set<? extends Trigger>> all = new HashMap<>();
        for (int number = 0; number < Math.abs(jobs); number++) {
            JobDetail job = JobBuilder.newJob(Count.class).withIdentity("job-" + number).build();
            Trigger trigger = TriggerBuilder.newTrigger()
                    .withIdentity("job-" + number)
                    .startAt(new Date(first))
                    .withSchedule(SimpleScheduleBuilder.repeatSecondlyForever().withMisfireHandlingInstructionIgnoreMisfires())
                    .build();
            all.put(job, Set.of(trigger));
        }
        scheduler.scheduleJobs(all, true);
        scheduler.shutdown(true);
    }

    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:postgresql://127.0.0.1:" + arguments[0] + "/quartz";
        if (arguments[1].equals("prepare")) {
            prepare(url, Integer.parseInt(arguments[2]));
            System.out.println(0);
            System.exit(0);
        }
        Scheduler scheduler = scheduler(url, arguments[2]);
        scheduler.start();
        Thread.sleep(Long.parseLong(arguments[3]) * 1000);
        long before = RUNS.get();
        Thread.sleep(Long.parseLong(arguments[4]) * 1000);
        System.out.println(RUNS.get() - before);
        System.exit(0);
    }
}
